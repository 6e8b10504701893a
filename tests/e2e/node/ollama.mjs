// Ollama's official Node client against a running gateway. One JSON argument says where and what to ask for:
//   base: the base URL, with a key in its path · model: the name to ask for
// Prints one JSON object: each part's name with "ok" or what went wrong. The assertions are here.

import assert from "node:assert/strict";
import { Ollama } from "ollama";

const { base, model } = JSON.parse(process.argv[2]);
const client = new Ollama({ host: base });

const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather in a city.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};
const user = (content) => [{ role: "user", content }];

async function gathered(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

const parts = {
  async "a conversation"() {
    const answer = await client.chat({ model, messages: user("Hello there!"), options: { temperature: 0.5 } });
    assert.equal(answer.message.content, "Hello there!");
    assert.equal(answer.model, model);
    assert.ok(answer.done && answer.eval_count > 0);
  },

  async "a stream"() {
    const heard = await gathered(await client.chat({ model, messages: user("Hello there!"), stream: true }));
    assert.equal(heard.map((part) => part.message.content).join(""), "Hello there!");
    assert.equal(heard.at(-1).done_reason, "stop");
  },

  async "tools and their results"() {
    const messages = user("Weather in Paris?");
    const first = await client.chat({ model, messages, tools: [WEATHER] });
    const [call] = first.message.tool_calls;
    assert.deepEqual([call.function.name, call.function.arguments], ["get_weather", { city: "Paris" }]);
    messages.push(first.message, { role: "tool", tool_name: "get_weather", content: "Sunny." });
    const answer = await client.chat({ model, messages, tools: [WEATHER] });
    assert.equal(answer.message.content, "Weather in Paris?");
  },

  async "a prompt"() {
    const answer = await client.generate({ model, prompt: "Hello there!", system: "Be kind." });
    assert.equal(answer.response, "Hello there!");
    const heard = await gathered(await client.generate({ model, prompt: "Hello there!", stream: true }));
    assert.equal(heard.map((part) => part.response).join(""), "Hello there!");
  },

  async vectors() {
    const answer = await client.embed({ model: "simulate/echo", input: ["a", "b"] });
    assert.equal(answer.embeddings.length, 2);
    assert.ok(Math.abs(Math.hypot(...answer.embeddings[0]) - 1) < 2e-3);
    assert.ok((await client.embeddings({ model: "simulate/echo", prompt: "a" })).embedding.length > 2);
  },

  async "lists and details"() {
    const { models } = await client.list();
    assert.ok(models.some((one) => one.name === "simulate/echo:latest"));
    assert.ok((await client.show({ model })).capabilities.includes("completion"));
    assert.deepEqual((await client.ps()).models, []);
    assert.ok((await client.version()).version);
  },

  async "names made here"() {
    await client.copy({ source: model, destination: "first" });
    const steps = await gathered(await client.create({ model: "ours", from: "first", system: "Hm.", stream: true }));
    assert.equal(steps.at(-1).status, "success");
    assert.equal((await client.chat({ model: "ours", messages: user("Hi") })).model, "ours");
    assert.equal((await client.pull({ model: "ours" })).status, "success");
    for (const name of ["first", "ours"]) await client.delete({ model: name });
    await assert.rejects(client.show({ model: "first" }), { status_code: 404 });
  },

  async failures() {
    const missing = client.chat({ model: "nobody", messages: user("Hi") });
    await assert.rejects(missing, { name: "ResponseError", error: "model 'nobody' not found", status_code: 404 });
    const broken = await client.chat({ model: "simulate/die", messages: user("Hi"), stream: true });
    await assert.rejects(gathered(broken));
  },
};

const results = {};
for (const [name, part] of Object.entries(parts)) {
  results[name] = await part().then(() => "ok", (error) => String(error.stack ?? error));
}
console.log(JSON.stringify(results));
