// The official Node client and the Responses API of a running gateway. One JSON argument says where and what:
//   base: its origin · models: the name to ask for, by part
// Prints one JSON object: each part's name with "ok" or what went wrong. The assertions are here.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { ResponsesWS } from "openai/resources/responses/ws";

const { base, models } = JSON.parse(process.argv[2]);
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: "dummy-key", maxRetries: 0, timeout: 20_000 });
const { responses, conversations } = client;

const WEATHER = {
  type: "function",
  name: "get_weather",
  description: "The weather in a city.",
  strict: true,
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
};
const CITY = {
  type: "object",
  properties: { name: { type: "string" }, people: { type: "integer" } },
  required: ["name", "people"],
  additionalProperties: false,
};
const ENDS = ["response.completed", "response.incomplete", "response.failed"];

const ask = (input, fields = {}) => responses.create({ model: models.text, input, ...fields });

async function collect(stream) {
  const found = [];
  for await (const one of stream) found.push(one);
  return found;
}

const text = (items) => items.map((item) => item.content[0].text);

async function missing(call) {
  const caught = await call.then(() => assert.fail("nothing was thrown"), (error) => error);
  assert.ok(caught instanceof OpenAI.NotFoundError, String(caught));
}

const parts = {
  async "an answer"() {
    const answer = await ask("Hello there!", { instructions: "Be brief.", metadata: { a: "b" } });
    assert.equal(answer.output_text, "Hello there!");
    assert.deepEqual([answer.status, answer.instructions, answer.metadata.a], ["completed", "Be brief.", "b"]);
    assert.equal(answer.usage.total_tokens, answer.usage.input_tokens + answer.usage.output_tokens);
    assert.ok(answer._request_id);
  },

  async "a stream, gathered"() {
    const running = responses.stream({ model: models.text, input: "Hello there!" });
    const events = await collect(running);
    const final = await running.finalResponse();
    assert.equal(final.output_text, "Hello there!");
    const last = events.at(-1);
    assert.equal(last.type, "response.completed");
    assert.deepEqual(text(final.output), text(last.response.output));
    assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
    const deltas = events.filter((event) => event.type === "response.output_text.delta");
    assert.equal(deltas.map((event) => event.delta).join(""), "Hello there!");
    assert.deepEqual(await responses.retrieve(final.id), { ...last.response, output_text: "Hello there!" });
  },

  async "a form"() {
    const format = { type: "json_schema", name: "City", strict: true, schema: CITY };
    const answer = await responses.parse({ model: models.text, input: "A city.", text: { format } });
    assert.deepEqual(Object.keys(answer.output_parsed ?? JSON.parse(answer.output_text)), ["name", "people"]);
  },

  async "tools and their results"() {
    const fields = { model: models.tools ?? models.text, tools: [WEATHER] };
    const first = await ask("Weather in Paris, please: get_weather", fields);
    const [call] = first.output.filter((item) => item.type === "function_call");
    assert.equal(call.name, "get_weather");
    assert.equal(typeof JSON.parse(call.arguments).city, "string");
    const input = [{ type: "function_call_output", call_id: call.call_id, output: "sunny" }];
    const second = await ask(input, { ...fields, previous_response_id: first.id });
    assert.match(second.output_text, /sunny/);
  },

  async "what is kept"() {
    const first = await ask("One.");
    const second = await ask("Two.", { previous_response_id: first.id });
    assert.deepEqual({ ...(await responses.retrieve(second.id)) }, { ...second });
    const listed = await collect(responses.inputItems.list(second.id, { order: "asc", limit: 1 }));
    assert.deepEqual(text(listed), ["One.", "One.", "Two."]);
    assert.deepEqual(await collect(responses.inputItems.list(second.id)), listed.toReversed());
    await responses.delete(second.id);
    await missing(responses.retrieve(second.id));
    await missing(responses.cancel(second.id));
  },

  async "in the background"() {
    let answer = await ask("Hello there!", { background: true });
    assert.deepEqual([answer.status, answer.output], ["queued", []]);
    while (["queued", "in_progress"].includes(answer.status)) {
      await new Promise((done) => setTimeout(done, 50));
      answer = await responses.retrieve(answer.id);
    }
    assert.equal(answer.output_text, "Hello there!");
  },

  async "a background stream goes on where it was left"() {
    const fields = { model: models.slow ?? models.text, background: true, stream: true };
    const begun = [];
    for await (const event of await ask("slow: one two three", fields)) {
      begun.push(event);
      if (begun.length === 5) break;
    }
    const { id } = begun[0].response;
    const starting_after = begun.at(-1).sequence_number;
    const rest = await collect(await responses.retrieve(id, { stream: true, starting_after }));
    const events = [...begun, ...rest];
    assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
    assert.equal(events.at(-1).type, "response.completed");
  },

  async "a background answer is cancelled"() {
    const fields = { model: models.slow ?? models.text, background: true };
    const { id } = await ask(`slow: ${"many words ".repeat(20)}`, fields);
    assert.equal((await responses.cancel(id)).status, "cancelled");
    assert.equal((await responses.retrieve(id)).status, "cancelled");
  },

  async "a socket"() {
    const socket = new ResponsesWS(client);
    const turn = (fields) =>
      new Promise((resolve, reject) => {
        const told = (event) => {
          if (!ENDS.includes(event.type)) return;
          socket.off("event", told);
          resolve(event.response);
        };
        socket.on("event", told);
        socket.on("error", reject);
        socket.send({ type: "response.create", model: models.text, store: false, ...fields });
      });
    const warm = await turn({ input: "Zero.", generate: false });
    const first = await turn({ input: "One.", previous_response_id: warm.id });
    const second = await turn({ input: "Two.", previous_response_id: first.id });
    socket.close();
    assert.deepEqual(warm.output, []);
    assert.deepEqual([text(first.output), text(second.output)], [["One."], ["Two."]]);
    await missing(responses.retrieve(second.id));
  },

  async "conversations"() {
    const items = [{ type: "message", role: "user", content: "I am Ada." }];
    const made = await conversations.create({ items, metadata: { topic: "names" } });
    const answer = await ask("Who am I?", { conversation: made.id });
    assert.equal(answer.conversation.id, made.id);
    const listed = await collect(conversations.items.list(made.id, { order: "asc" }));
    assert.deepEqual(text(listed), ["I am Ada.", "Who am I?", "Who am I?"]);
    const added = await conversations.items.create(made.id, { items });
    const [{ id }] = added.data;
    const of = { conversation_id: made.id };
    assert.equal((await conversations.items.retrieve(id, of)).id, id);
    await conversations.items.delete(id, of);
    await missing(conversations.items.retrieve(id, of));
    assert.equal((await conversations.update(made.id, { metadata: { topic: "x" } })).metadata.topic, "x");
    assert.equal((await conversations.retrieve(made.id)).metadata.topic, "x");
    assert.equal((await conversations.delete(made.id)).deleted, true);
    await missing(conversations.retrieve(made.id));
  },

  async "compaction"() {
    const short = await responses.compact({ model: models.text, input: "One." });
    assert.deepEqual(short.output.map((item) => item.type), ["message", "compaction"]);
    const answer = await ask([...short.output, { role: "user", content: "Two." }]);
    assert.equal(answer.output_text, "Two.");
  },

  async "counting"() {
    const { input_tokens } = await responses.inputTokens.count({ model: models.text, input: "Hello!" });
    assert.ok(input_tokens > 0);
  },
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
