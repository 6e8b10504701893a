// Anthropic's official Node client against a running gateway. One JSON argument says where and what to ask for:
//   base: origin of a gateway whose key is `key` · model: the name to ask for
// Prints one JSON object: each part's name with "ok" or what went wrong. The assertions are here.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";

const { base, key, model } = JSON.parse(process.argv[2]);
const client = new Anthropic({ baseURL: base, apiKey: key, maxRetries: 0 });

const WEATHER = {
  name: "get_weather",
  description: "The weather in a city.",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};
const user = (content) => [{ role: "user", content }];
const asked = (content, fields = {}) => ({ model, max_tokens: 4096, messages: user(content), ...fields });

// What a call must throw: the client's own class, in the protocol's envelope.
async function throws(kind, type, call) {
  const caught = await call().then(() => assert.fail("nothing was thrown"), (error) => error);
  assert.ok(caught instanceof kind, `${caught.constructor.name}, not ${kind.name}: ${caught.message}`);
  assert.equal(caught.error.error.type, type);
  assert.equal(caught.error.request_id, caught.requestID);
}

const parts = {
  async message() {
    const answer = await client.messages.create(asked("Hello there!", { system: "Be kind." }));
    assert.deepEqual(answer.content.map((block) => block.text), ["Hello there!"]);
    assert.equal(answer.stop_reason, "end_turn");
    assert.ok(answer.id.startsWith("msg_") && answer._request_id);
    assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
  },

  async stream() {
    const kinds = [];
    let text = "";
    for await (const event of await client.messages.create(asked("Hello there!", { stream: true }))) {
      kinds.push(event.type);
      if (event.type === "content_block_delta") text += event.delta.text;
    }
    assert.equal(text, "Hello there!");
    assert.equal(kinds[0], "message_start");
    assert.deepEqual(kinds.slice(-2), ["message_delta", "message_stop"]);
  },

  async "the stream helper"() {
    const texts = [];
    const running = client.messages.stream(asked("Hello there!")).on("text", (delta) => texts.push(delta));
    const final = await running.finalMessage();
    assert.equal(texts.join(""), "Hello there!");
    assert.equal(final.content[0].text, "Hello there!");
  },

  async "tools and their results"() {
    const fields = { tools: [WEATHER], thinking: { type: "enabled", budget_tokens: 2048 } };
    const first = await client.messages.stream(asked("Weather in Paris and Rome?", fields)).finalMessage();
    const calls = first.content.filter((block) => block.type === "tool_use");
    assert.equal(first.stop_reason, "tool_use");
    assert.deepEqual(calls.map((call) => call.input.city), ["Paris", "Rome"]);
    const results = calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: "sunny" }));
    const messages = [
      ...user("Weather in Paris and Rome?"),
      { role: "assistant", content: first.content },
      { role: "user", content: results },
    ];
    const last = await client.messages.create({ ...asked("", fields), messages });
    assert.equal(last.content.at(-1).text, "Sunny in both.");
  },

  async "the beta client"() {
    const betas = ["interleaved-thinking-2025-05-14"];
    const answer = await client.beta.messages.create({ ...asked("Hello there!"), betas });
    assert.equal(answer.content[0].text, "Hello there!");
  },

  async counting() {
    const { max_tokens, ...rest } = asked("Hello there!");
    assert.ok((await client.messages.countTokens(rest)).input_tokens > 0);
  },

  async models() {
    const names = [];
    for await (const one of client.models.list({ limit: 1 })) names.push(one.id);
    assert.ok(names.includes("mine") && names.includes("org/mine:7b"));
    assert.equal((await client.models.retrieve("org/mine:7b")).type, "model");
  },

  async errors() {
    await throws(Anthropic.NotFoundError, "not_found_error", () =>
      client.messages.create({ ...asked("Hi"), model: "nobody/nothing" }),
    );
    await throws(Anthropic.BadRequestError, "invalid_request_error", () =>
      client.messages.create(asked("Hi", { tool_choice: 7 })),
    );
    const stranger = new Anthropic({ baseURL: base, apiKey: "another", maxRetries: 0 });
    await throws(Anthropic.AuthenticationError, "authentication_error", () =>
      stranger.messages.create(asked("Hi")),
    );
  },

  async "leaving a stream"() {
    const stream = await client.messages.create(asked("slow", { stream: true }));
    for await (const event of stream) if (event.type === "content_block_delta") break;
    assert.ok(stream.controller.signal.aborted);
  },
};

const results = {};
for (const [name, part] of Object.entries(parts)) {
  try {
    await part();
    results[name] = "ok";
  } catch (error) {
    results[name] = String(error.stack ?? error);
  }
}
console.log(JSON.stringify(results));
