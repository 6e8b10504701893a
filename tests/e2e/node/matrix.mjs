// The official Node clients ask a running gateway what tests/matrix tells them to. The argument is its origin.
// Reads a JSON object a line: {face, way: "whole" | "streamed" | "loop", fields}, the arguments of the client's call,
// or {face, way: "models", fields: {name}}. Prints one for each: {heard: {choices, usage}}, {listed, found},
// {refused: {status, code, param}, before: text} or {failed: stack}.
// What must be so of every answer and every error of a client is asserted here; what this one says, over there.

import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import Anthropic from "@anthropic-ai/sdk";
import { ApiError, GoogleGenAI } from "@google/genai";
import { Ollama } from "ollama";
import OpenAI from "openai";

const [base] = process.argv.slice(2);
const patience = { maxRetries: 0, timeout: 60_000 };
const openai = new OpenAI({ baseURL: `${base}/v1`, apiKey: "any", ...patience });
const anthropic = new Anthropic({ baseURL: base, apiKey: "any", ...patience });
const google = new GoogleGenAI({ apiKey: "any", httpOptions: { baseUrl: base } });
const ollama = new Ollama({ host: base });
const WITH_USAGE = { stream_options: { include_usage: true } };

// Errors: each client's own classes. begun: in a stream that had begun, where they have no status ---------------

const CLASSES = {
  400: "BadRequestError",
  404: "NotFoundError",
  429: "RateLimitError",
  502: "InternalServerError",
  503: "InternalServerError",
  529: "InternalServerError",
};

function isOf(client, error, begun) {
  if (begun) assert.equal(error.constructor, client.APIError, error.stack);
  else assert.ok(error instanceof client[CLASSES[error.status]], error.stack);
  assert.ok(error.requestID);
}

const refusals = {
  openai(error, begun) {
    isOf(OpenAI, error, begun);
    return { status: error.status, code: error.code, param: error.param };
  },

  anthropic(error, begun) {
    isOf(Anthropic, error, begun);
    const told = error.error.error;
    if (!begun) assert.equal(error.error.request_id, error.requestID);
    return { status: error.status, code: told.details?.error_code ?? told.type, param: told.param };
  },

  google(error, begun) {
    assert.ok(error instanceof ApiError, error.stack);
    const told = JSON.parse(begun ? error.message.slice(error.message.indexOf("{")) : error.message).error;
    const details = Object.fromEntries(told.details.map((one) => [one["@type"].split(".").at(-1), one]));
    const [violation] = details.BadRequest?.fieldViolations ?? [];
    return { status: error.status, code: details.ErrorInfo.reason.toLowerCase(), param: violation?.field };
  },

  ollama(error, begun) {
    assert.equal(begun ? error.constructor.name : error.name, begun ? "Error" : "ResponseError", error.stack);
    return { status: error.status_code };
  },
};

// Answers, as tests/matrix/heard.py has them --------------------------------------------------------------------

const heard = (...choices) => ({ choices, usage: null });

const chat = ({ choices }) =>
  heard(
    ...choices.map(({ message, finish_reason }) => ({
      text: message.content ?? "",
      calls: (message.tool_calls ?? []).map((call) => [call.id, call.function.name, call.function.arguments]),
      finish: finish_reason,
    })),
  );

function response({ output, output_text, status }) {
  const calls = output.filter((item) => item.type === "function_call");
  const finish = { completed: calls.length ? "tool_calls" : "stop", incomplete: "length" }[status];
  return heard({ text: output_text, calls: calls.map((call) => [call.call_id, call.name, call.arguments]), finish });
}

function message({ content, stop_reason }) {
  const calls = content.filter((block) => block.type === "tool_use");
  return heard({
    text: content.map((block) => block.text ?? "").join(""),
    calls: calls.map((call) => [call.id, call.name, JSON.stringify(call.input)]),
    finish: { end_turn: "stop", stop_sequence: "stop", max_tokens: "length", tool_use: "tool_calls" }[stop_reason],
  });
}

function candidates(chunks) {
  const calls = chunks.flatMap((chunk) => chunk.functionCalls ?? []);
  const reason = chunks.at(-1).candidates[0].finishReason;
  return heard({
    text: chunks.map((chunk) => chunk.text ?? "").join(""),
    calls: calls.map((call) => [call.id, call.name, JSON.stringify(call.args)]),
    finish: calls.length && reason === "STOP" ? "tool_calls" : { STOP: "stop", MAX_TOKENS: "length" }[reason],
  });
}

// Its calls have no ids.
function lines(parts) {
  const calls = parts.flatMap((part) => part.message.tool_calls ?? []);
  assert.deepEqual(parts.map((part) => part.done), parts.map((_, place) => place === parts.length - 1));
  return heard({
    text: parts.map((part) => part.message.content).join(""),
    calls: calls.map(({ function: { name, arguments: told } }, place) => [`${place}`, name, JSON.stringify(told)]),
    finish: calls.length ? "tool_calls" : parts.at(-1).done_reason,
  });
}

async function gathered(stream, each = () => {}) {
  const found = [];
  for await (const one of stream) {
    each(one);
    found.push(one);
  }
  return found;
}

// The faces: how each is asked. say: is told each piece of text as it comes. loop: in a stream, then with what the
// calls in it gave, the client's own objects as history ----------------------------------------------------------

const RESULTS = { get_weather: "sunny", get_time: "noon" };

const faces = {
  openai_chat: {
    refused: refusals.openai,
    whole: async (fields) => chat(await openai.chat.completions.create(fields)),
    async streamed(fields, say) {
      const running = openai.chat.completions.stream({ ...fields, ...WITH_USAGE }).on("content", say);
      return chat(await running.finalChatCompletion());
    },
    async loop(fields) {
      const [{ message }] = (await openai.chat.completions.stream(fields).finalChatCompletion()).choices;
      const given = ({ id, function: { name } }) => ({ role: "tool", tool_call_id: id, content: RESULTS[name] });
      const messages = [...fields.messages, message, ...message.tool_calls.map(given)];
      return chat(await openai.chat.completions.create({ ...fields, messages }));
    },
    async models({ name }) {
      const listed = await gathered(openai.models.list());
      return { listed: listed.map((one) => one.id), found: (await openai.models.retrieve(name)).id };
    },
  },

  openai_responses: {
    refused: refusals.openai,
    whole: async (fields) => response(await openai.responses.create(fields)),
    async streamed(fields, say) {
      const running = openai.responses.stream(fields);
      running.on("response.output_text.delta", (event) => say(event.delta));
      return response(await running.finalResponse());
    },
    async loop(fields) {
      // What `finalResponse()` adds to calls, OpenAI refuses to get back.
      const events = await gathered(await openai.responses.create({ ...fields, stream: true }));
      const { output } = events.at(-1).response;
      const calls = output.filter((item) => item.type === "function_call");
      const given = ({ call_id, name }) => ({ type: "function_call_output", call_id, output: RESULTS[name] });
      const input = [...fields.input, ...output, ...calls.map(given)];
      return response(await openai.responses.create({ ...fields, input }));
    },
  },

  openai_completions: {
    refused: refusals.openai,
    async whole(fields) {
      const [{ text, finish_reason }] = (await openai.completions.create(fields)).choices;
      return heard({ text, finish: finish_reason });
    },
    async streamed(fields, say) {
      const stream = await openai.completions.create({ ...fields, stream: true });
      const chunks = await gathered(stream, (chunk) => say(chunk.choices[0].text));
      const text = chunks.map((chunk) => chunk.choices[0].text).join("");
      return heard({ text, finish: chunks.at(-1).choices[0].finish_reason });
    },
  },

  anthropic: {
    refused: refusals.anthropic,
    whole: async (fields) => message(await anthropic.messages.create(fields)),
    async streamed(fields, say) {
      return message(await anthropic.messages.stream(fields).on("text", say).finalMessage());
    },
    async loop(fields) {
      const { content } = await anthropic.messages.stream(fields).finalMessage();
      const calls = content.filter((block) => block.type === "tool_use");
      const given = ({ id, name }) => ({ type: "tool_result", tool_use_id: id, content: RESULTS[name] });
      const told = { role: "user", content: calls.map(given) };
      const messages = [...fields.messages, { role: "assistant", content }, told];
      return message(await anthropic.messages.create({ ...fields, messages }));
    },
    async models({ name }) {
      const listed = await gathered(anthropic.models.list({ limit: 10 }));
      return { listed: listed.map((one) => one.id), found: (await anthropic.models.retrieve(name)).id };
    },
  },

  gemini: {
    refused: refusals.google,
    whole: async (fields) => candidates([await google.models.generateContent(fields)]),
    async streamed(fields, say) {
      const stream = await google.models.generateContentStream(fields);
      return candidates(await gathered(stream, (chunk) => say(chunk.text ?? "")));
    },
    async loop({ model, contents: [{ parts }], config }) {
      const talk = google.chats.create({ model, config });
      const chunks = await gathered(await talk.sendMessageStream({ message: parts }));
      const calls = chunks.flatMap((chunk) => chunk.functionCalls ?? []);
      const given = ({ id, name }) => ({ functionResponse: { id, name, response: { output: RESULTS[name] } } });
      return candidates([await talk.sendMessage({ message: calls.map(given) })]);
    },
    async models({ name }) {
      const listed = await gathered(await google.models.list({ config: { pageSize: 10 } }));
      const bare = (one) => one.name.replace(/^models\//, "");
      return { listed: listed.map(bare), found: bare(await google.models.get({ model: name })) };
    },
  },

  ollama: {
    refused: refusals.ollama,
    whole: async (fields) => lines([await ollama.chat(fields)]),
    async streamed(fields, say) {
      const stream = await ollama.chat({ ...fields, stream: true });
      return lines(await gathered(stream, (part) => say(part.message.content)));
    },
    async loop(fields) {
      const parts = await gathered(await ollama.chat({ ...fields, stream: true }));
      const tool_calls = parts.flatMap((part) => part.message.tool_calls ?? []);
      const given = ({ function: { name } }) => ({ role: "tool", tool_name: name, content: RESULTS[name] });
      const message = { role: "assistant", content: "", tool_calls };
      const messages = [...fields.messages, message, ...tool_calls.map(given)];
      return lines([await ollama.chat({ ...fields, messages })]);
    },
    async models({ name }) {
      const { models } = await ollama.list();
      const { model_info: about } = await ollama.show({ model: name });
      return { listed: models.map((one) => one.name.replace(/:latest$/, "")), found: about["general.basename"] };
    },
  },
};

// One after the other -------------------------------------------------------------------------------------------

async function answered({ face, way, fields }) {
  const pieces = [];
  const say = (piece) => piece && pieces.push(piece);
  try {
    const told = await faces[face][way](fields, say);
    if (way === "models") return told;
    if (way === "streamed") {
      assert.equal(pieces.join(""), told.choices[0].text);
      told.choices[0].pieces = pieces.length;
    }
    return { heard: told };
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    return { refused: faces[face].refused(error, pieces.length > 0), before: pieces.join("") };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const told = await answered(JSON.parse(line)).catch((error) => ({ failed: error.stack }));
  console.log(JSON.stringify(told));
}
