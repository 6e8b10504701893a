// The official Node client against a running gateway. One JSON argument says where and what to ask for:
//   base, keyed: origins of a gateway without and with client keys · key: a key of the second
//   models: the name to ask for, by part
// Prints one JSON object: each part's name with "ok" or what went wrong. The assertions are here.

import assert from "node:assert/strict";
import OpenAI from "openai";

const { base, keyed, key, models } = JSON.parse(process.argv[2]);
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: "dummy-key", maxRetries: 0 });

const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather in a city.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};
const PNG = "data:image/png;base64,iVBORw0KGgpwaXhlbHM=";
const CITY = {
  type: "object",
  properties: { name: { type: "string" }, people: { type: "integer" } },
  required: ["name", "people"],
  additionalProperties: false,
};

const user = (content) => [{ role: "user", content }];
const ask = (part, content, fields = {}) =>
  client.chat.completions.create({ model: models[part] ?? models.text, messages: user(content), ...fields });

// What a call must throw: the client's own class, with these members.
async function throws(kind, members, call) {
  const caught = await call().then(() => assert.fail("nothing was thrown"), (error) => error);
  assert.ok(caught instanceof kind, `${caught.constructor.name}, not ${kind.name}: ${caught.message}`);
  for (const [name, value] of Object.entries(members)) assert.equal(caught[name], value, name);
  return caught;
}

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

// A conversation until the model calls nothing more; every call gets a result. Gives the calls by turn.
async function converse(next) {
  const messages = user("Weather in Paris, Rome and Oslo?");
  const turns = [];
  for (let turn = 0; turn < 5; turn++) {
    const { message, finish_reason } = await next(messages);
    const calls = message.tool_calls ?? [];
    assert.equal(finish_reason, calls.length ? "tool_calls" : "stop");
    messages.push(message);
    if (!calls.length) return { turns, text: message.content };
    turns.push(calls.map((call) => call.function));
    for (const call of calls) messages.push({ role: "tool", tool_call_id: call.id, content: "sunny" });
  }
  assert.fail("the model never stopped to call tools");
}

function checkConversation({ turns, text }) {
  assert.ok(turns[0].length >= 2, "the first turn calls several tools at once");
  for (const call of turns.flat()) {
    assert.equal(call.name, "get_weather");
    assert.equal(typeof JSON.parse(call.arguments).city, "string");
  }
  assert.match(text, /sunny/);
}

const parts = {
  async chat() {
    const answer = await ask("text", "Hello there!");
    assert.equal(answer.choices[0].message.content, "Hello there!");
    assert.equal(answer.choices[0].message.role, "assistant");
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.equal(answer.object, "chat.completion");
    assert.ok(answer.id && answer.created && answer.model && answer._request_id);
    assert.ok(answer.usage.prompt_tokens > 0 && answer.usage.completion_tokens > 0);
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  },

  async stream() {
    const chunks = await collect(await ask("text", "Hello there!", { stream: true }));
    assert.equal(chunks[0].choices[0].delta.role, "assistant");
    assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), "Hello there!");
    const finishes = chunks.map((chunk) => chunk.choices[0].finish_reason).filter(Boolean);
    assert.deepEqual(finishes, ["stop"]);
    assert.ok(!chunks.some((chunk) => chunk.usage));
  },

  async "stream with usage"() {
    const options = { stream: true, stream_options: { include_usage: true } };
    const chunks = await collect(await ask("text", "Hello there!", options));
    const last = chunks.pop();
    assert.deepEqual(last.choices, []);
    assert.ok(last.usage.prompt_tokens > 0 && last.usage.completion_tokens > 0);
    assert.ok(!chunks.some((chunk) => chunk.usage));
  },

  async "the stream helper"() {
    const deltas = [];
    const running = client.chat.completions
      .stream({ model: models.text, messages: user("Hello there!") })
      .on("content", (delta) => deltas.push(delta));
    assert.equal(await running.finalContent(), "Hello there!");
    assert.equal(deltas.join(""), "Hello there!");
  },

  async "tools and their results"() {
    const tools = [WEATHER];
    checkConversation(
      await converse(async (messages) => {
        const model = models.tools ?? models.text;
        return (await client.chat.completions.create({ model, messages, tools })).choices[0];
      }),
    );
  },

  async "tools in a stream"() {
    const tools = [WEATHER];
    checkConversation(
      await converse(async (messages) => {
        const running = client.chat.completions.stream({ model: models.tools ?? models.text, messages, tools });
        return (await running.finalChatCompletion()).choices[0];
      }),
    );
  },

  async "tools that the client runs"() {
    const cities = [];
    const run = ({ city }) => {
      cities.push(city);
      return "sunny";
    };
    const tools = [{ type: "function", function: { ...WEATHER.function, parse: JSON.parse, function: run } }];
    const model = models.tools ?? models.text;
    const messages = user("Weather in Paris, Rome and Oslo?");
    const text = await client.chat.completions.runTools({ model, messages, tools }).finalContent();
    assert.match(text, /sunny/);
    assert.ok(cities.length >= 2);
  },

  async "a tool that is forced"() {
    const tool_choice = { type: "function", function: { name: "get_weather" } };
    const answer = await ask("forced", "Weather?", { tools: [WEATHER], tool_choice });
    assert.equal(answer.choices[0].message.tool_calls[0].function.name, "get_weather");
  },

  async image() {
    const content = [
      { type: "text", text: "What is this?" },
      { type: "image_url", image_url: { url: PNG } },
    ];
    const answer = await ask("text", content);
    assert.equal(answer.choices[0].message.content, "What is this?");
  },

  async "JSON schema"() {
    const response_format = { type: "json_schema", json_schema: { name: "City", strict: true, schema: CITY } };
    const answer = await ask("schema", "A city.", { response_format });
    const city = JSON.parse(answer.choices[0].message.content);
    assert.deepEqual([typeof city.name, typeof city.people], ["string", "number"]);
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.equal(answer.choices[0].message.tool_calls, undefined);
  },

  async "models are listed and found"() {
    const listed = [];
    for await (const model of client.models.list()) listed.push(model.id);
    assert.deepEqual(listed, [...new Set(listed)].sort());
    assert.ok(listed.includes("org/mine:7b"));
    const model = await client.models.retrieve("org/mine:7b");
    assert.deepEqual([model.id, model.object], ["org/mine:7b", "model"]);
    await throws(OpenAI.NotFoundError, { status: 404, code: "model_not_found" }, () =>
      client.models.retrieve("nope"),
    );
  },

  async "a base URL without /v1"() {
    const bare = new OpenAI({ baseURL: base, apiKey: "dummy-key" });
    const answer = await bare.chat.completions.create({ model: models.text, messages: user("Hello there!") });
    assert.equal(answer.choices[0].message.content, "Hello there!");
  },

  async "keys"() {
    const fields = { model: models.text, messages: user("Hello there!") };
    const wrong = new OpenAI({ baseURL: `${keyed}/v1`, apiKey: "dummy-key", maxRetries: 0 });
    await throws(OpenAI.AuthenticationError, { status: 401, code: "invalid_api_key" }, () =>
      wrong.chat.completions.create(fields),
    );
    const right = new OpenAI({ baseURL: `${keyed}/v1`, apiKey: key });
    assert.ok((await right.chat.completions.create(fields)).id);
  },

  async "the client's own mistakes"() {
    const bad = { status: 400, type: "invalid_request_error" };
    await throws(OpenAI.BadRequestError, { ...bad, param: "temperature" }, () =>
      ask("text", "Hello there!", { temperature: 9 }),
    );
    await throws(OpenAI.BadRequestError, { ...bad, param: "messages" }, () =>
      client.chat.completions.create({ model: models.text, messages: [] }),
    );
    await throws(OpenAI.BadRequestError, { ...bad, param: "temperature" }, () =>
      ask("text", "Hello there!", { temperature: 9, stream: true }),
    );
    await throws(OpenAI.NotFoundError, { status: 404, code: "model_not_found", param: "model" }, () =>
      client.chat.completions.create({ model: "nope", messages: user("Hello there!") }),
    );
  },

  async "a client that aborts"() {
    const stream = await ask("slow", "slowly", { stream: true });
    for await (const chunk of stream) {
      assert.equal(chunk.object, "chat.completion.chunk");
      break;
    }
    assert.ok(stream.controller.signal.aborted);
  },
};

for (const stream of [false, true]) {
  const where = stream ? "errors of the provider, streamed" : "errors of the provider";
  parts[where] = async () => {
    const kinds = [
      [400, 400, OpenAI.BadRequestError],
      [401, 502, OpenAI.InternalServerError],
      [429, 429, OpenAI.RateLimitError],
      [500, 502, OpenAI.InternalServerError],
      [503, 503, OpenAI.InternalServerError],
    ];
    for (const [status, shown, kind] of kinds) {
      const caught = await throws(kind, { status: shown }, () =>
        ask(`fail:${status}`, `fail:${status}`, { stream }),
      );
      assert.ok(caught.requestID && caught.message);
    }
  };
}

parts["a stream that breaks"] = async () => {
  const got = [];
  const caught = await throws(OpenAI.APIError, {}, async () => {
    for await (const chunk of await ask("die", "die in the middle of it", { stream: true })) got.push(chunk);
  });
  assert.ok(caught.message);
  assert.ok(got.length > 0);
  assert.ok(!got.some((chunk) => chunk.choices[0].finish_reason));
};

const results = {};
for (const [name, part] of Object.entries(parts)) {
  try {
    await part();
    results[name] = "ok";
  } catch (error) {
    results[name] = error.stack ?? String(error);
  }
}
console.log(JSON.stringify(results));
