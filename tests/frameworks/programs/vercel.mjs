// The Vercel AI SDK: its OpenAI (Responses and chat), OpenAI-compatible, Anthropic, Google and Ollama providers.
// Told and telling as reporting.py says.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embedMany, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { createOllama } from "ollama-ai-provider-v2";
import { z } from "zod";

const told = JSON.parse(process.argv[2]);
const HELLO = "Say hello.";
const QUESTION = "Get weather of Oslo and of Lima.";
const WHO = "Which person was Ada Lovelace?";
const FAIL = "Fail with 429.\nsimulate: fail:429";
const DEGREES = { Oslo: 7, Lima: 19 };
const PERSON = z.object({ name: z.string(), year: z.number().int() });

function weather() {
  const cities = [];
  const look = ({ city }) => {
    cities.push(city);
    return `${DEGREES[city] ?? 0} degrees in ${city}`;
  };
  const tools = {
    get_weather: tool({
      description: "The weather of a city.",
      inputSchema: z.object({ city: z.string() }),
      execute: async (input) => look(input),
    }),
  };
  return { cities, tools };
}

const thoughts = (steps) =>
  steps
    .map((step) => step.reasoningText)
    .filter(Boolean)
    .join(" ");

async function chat(make, model) {
  const { text, usage } = await generateText({ model: make(model), prompt: HELLO, maxRetries: 0 });
  return { text, usage: [usage.inputTokens, usage.outputTokens] };
}

async function stream(make, model) {
  const answer = streamText({ model: make(model), prompt: HELLO, maxRetries: 0 });
  const pieces = [];
  for await (const piece of answer.textStream) if (piece) pieces.push(piece);
  const usage = await answer.usage;
  return { text: pieces.join(""), several: pieces.length > 1, usage: [usage.inputTokens, usage.outputTokens] };
}

async function tools(make, model, more = {}) {
  const { cities, tools } = weather();
  const options = { model: make(model), prompt: QUESTION, tools, stopWhen: stepCountIs(4), maxRetries: 0 };
  const done = await generateText({ ...options, ...more });
  const thought = more.reasoning ? { thought: thoughts(done.steps) } : {};
  return { cities: cities.sort(), text: done.text, ...thought };
}

async function toolsStreamed(make, model, more = {}) {
  const { cities, tools } = weather();
  const options = { model: make(model), prompt: QUESTION, tools, stopWhen: stepCountIs(4), maxRetries: 0 };
  const failed = [];
  const done = streamText({ ...options, ...more, onError: ({ error }) => failed.push(error) });
  const text = await done.text;
  if (failed.length) throw failed[0]; // which it would else only log, and end with no text
  const thought = more.reasoning ? { thought: thoughts(await done.steps) } : {};
  return { cities: cities.sort(), text, ...thought };
}

async function form(make, model) {
  const output = Output.object({ schema: PERSON });
  return (await generateText({ model: make(model), prompt: WHO, output, maxRetries: 0 })).output;
}

async function formStreamed(make, model) {
  const output = Output.object({ schema: PERSON });
  return streamText({ model: make(model), prompt: WHO, output, maxRetries: 0 }).output;
}

async function errors(make, model) {
  const asked = { limit: [model, told.key, FAIL], model: ["nobody/nothing", told.key, HELLO], key: [model, "wrong", HELLO] };
  const found = {};
  for (const [name, [model, key, prompt]] of Object.entries(asked)) {
    try {
      const { text } = await generateText({ model: make(model, key), prompt, maxRetries: 0 });
      found[name] = ["no error", text];
    } catch (error) {
      const kind = APICallError.isInstance(error) ? "APICallError" : error.name;
      found[name] = [kind, error.statusCode ?? null, error.isRetryable ?? null];
    }
  }
  return found;
}

function features(make, thinking = { reasoning: "high" }) {
  return {
    chat: (model) => chat(make, model),
    stream: (model) => stream(make, model),
    tools: (model) => tools(make, model),
    "tools streamed": (model) => toolsStreamed(make, model),
    thinking: (model) => tools(make, model, thinking),
    "thinking streamed": (model) => toolsStreamed(make, model, thinking),
    form: (model) => form(make, model),
    "form streamed": (model) => formStreamed(make, model),
    errors: (model) => errors(make, model),
  };
}

function vectors(make) {
  return async (model) => {
    const made = await embedMany({ model: make(model), values: ["one", "two words", "three more words"], maxRetries: 0 });
    return made.embeddings.map((one) => one.length);
  };
}

const own = told.key;
const openai = (key = own) => createOpenAI({ baseURL: `${told.url}/v1`, apiKey: key });
const anthropic = (key = own) => createAnthropic({ baseURL: `${told.url}/v1`, apiKey: key });
const google = (key = own) => createGoogleGenerativeAI({ baseURL: `${told.url}/v1beta`, apiKey: key });
const ollama = (key = own) => createOllama({ baseURL: `${told.url}/api`, headers: { authorization: `Bearer ${key}` } });
const compatible = (key = own) =>
  createOpenAICompatible({
    name: "dragoman",
    baseURL: `${told.url}/v1`,
    apiKey: key,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
const shown = {
  reasoning: "high",
  providerOptions: { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } } },
};
const summary = { reasoning: "high", providerOptions: { openai: { reasoningSummary: "auto", forceReasoning: true } } };
const kinds = {
  chat: { ...features((model, key) => openai(key).chat(model)), vectors: vectors((model) => openai().embedding(model)) },
  responses: features((model, key) => openai(key).responses(model), summary),
  compatible: features((model, key) => compatible(key).chatModel(model)),
  anthropic: features((model, key) => anthropic(key)(model)),
  google: { ...features((model, key) => google(key)(model), shown), vectors: vectors((model) => google().embedding(model)) },
  ollama: { ...features((model, key) => ollama(key)(model)), vectors: vectors((model) => ollama().embedding(model)) },
};

const report = {};
for (const kind of told.kinds) {
  const cells = Object.entries(kinds[kind]).flatMap(([name, feature]) =>
    (name === "vectors" ? told.vectors : told.models).map((model) => [name, model, feature]),
  );
  await Promise.all(
    cells.map(async ([name, model, feature]) => {
      let came;
      try {
        came = await feature(model);
      } catch (error) {
        came = `${error.stack}\n${error.responseBody ?? ""}\n${error.cause?.stack ?? ""}`.slice(-3000);
      }
      ((report[kind] ??= {})[model] ??= {})[name] = came;
    }),
  );
}
console.log(JSON.stringify(report));
