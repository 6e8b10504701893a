// Google's Node client and Gemini's protocol at a running gateway. One JSON argument says where and what:
//   base: its origin · keyed: that of one that wants a key · key: that key · models: the name to ask for, by part
// Prints one JSON object: each part's name with "ok" or what went wrong. The assertions are here.

import assert from "node:assert/strict";
import { ApiError, FunctionCallingConfigMode, GoogleGenAI, Type } from "@google/genai";

const { base, keyed, key, models: names } = JSON.parse(process.argv[2]);
const at = (baseUrl, apiKey, more = {}) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl, ...more } });
const client = at(base, "dummy-key");
const { models } = client;

const TOOL = {
  functionDeclarations: [
    {
      name: "get_weather",
      description: "The weather in a city.",
      parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } }, required: ["city"] },
    },
  ],
};
const ASKED = "Weather in Paris, please: get_weather";

const ask = (contents, config = {}, model = names.text) => models.generateContent({ model, contents, config });

async function collect(stream) {
  const found = [];
  for await (const one of stream) found.push(one);
  return found;
}

const said = (chunks) => chunks.map((chunk) => chunk.text ?? "").join("");

async function refused(call, status) {
  const caught = await call.then(() => assert.fail("nothing was thrown"), (error) => error);
  assert.ok(caught instanceof ApiError, String(caught));
  assert.equal(caught.status, status);
}

const parts = {
  async "an answer"() {
    const answer = await ask("Hello there!", { systemInstruction: "Be brief.", maxOutputTokens: 64 });
    assert.equal(answer.text, "Hello there!");
    assert.equal(answer.candidates[0].finishReason, "STOP");
    const usage = answer.usageMetadata;
    assert.equal(usage.totalTokenCount, usage.promptTokenCount + usage.candidatesTokenCount);
  },

  async "a stream"() {
    const chunks = await collect(
      await models.generateContentStream({ model: names.text, contents: "Hello there, all of you!" }),
    );
    assert.ok(chunks.length > 2);
    assert.equal(said(chunks), "Hello there, all of you!");
    assert.equal(chunks.at(-1).candidates[0].finishReason, "STOP");
    assert.ok(chunks.at(-1).usageMetadata.totalTokenCount > 0);
  },

  async "a chat"() {
    const chat = client.chats.create({ model: names.text });
    assert.equal((await chat.sendMessage({ message: "One." })).text, "One.");
    assert.equal(said(await collect(await chat.sendMessageStream({ message: "Two and more." }))), "Two and more.");
    assert.equal((await chat.sendMessage({ message: "Three." })).text, "Three.");
  },

  async "tools and their results"() {
    const config = {
      tools: [TOOL],
      toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.AUTO } },
    };
    const first = await ask(ASKED, config, names.tools);
    const [call] = first.functionCalls;
    assert.equal(call.name, "get_weather");
    assert.equal(typeof call.args.city, "string");
    const result = { functionResponse: { id: call.id, name: call.name, response: { output: "sunny" } } };
    const history = [
      { role: "user", parts: [{ text: ASKED }] },
      first.candidates[0].content,
      { role: "user", parts: [result] },
    ];
    assert.match((await ask(history, config, names.tools)).text, /sunny/);
  },

  async "a form"() {
    const responseSchema = {
      type: Type.OBJECT,
      properties: { name: { type: Type.STRING }, people: { type: Type.INTEGER } },
      required: ["name", "people"],
    };
    const answer = await ask("A city.", { responseMimeType: "application/json", responseSchema });
    assert.equal(typeof JSON.parse(answer.text).people, "number");
  },

  async "counting"() {
    const { totalTokens } = await models.countTokens({ model: names.text, contents: "Hello!" });
    assert.ok(totalTokens > 0);
  },

  async "the list"() {
    const listed = await collect(await models.list({ config: { pageSize: 1 } }));
    assert.ok(listed.length > 0);
    assert.ok(listed.every((model) => model.name.startsWith("models/")));
    assert.equal((await models.get({ model: listed[0].name })).name, listed[0].name);
    await refused(models.get({ model: "no/such" }), 404);
  },

  async "every version"() {
    for (const apiVersion of ["v1", "v1alpha", "v1beta"]) {
      const own = at(base, "dummy-key", { apiVersion }).models;
      assert.equal((await own.generateContent({ model: names.text, contents: "Hello!" })).text, "Hello!");
      assert.ok((await collect(await own.list())).length > 0);
    }
  },

  async "a key"() {
    await refused(at(keyed, "wrong").models.generateContent({ model: names.text, contents: "Hello!" }), 401);
    const answer = await at(keyed, key).models.generateContent({ model: names.text, contents: "Hello!" });
    assert.equal(answer.text, "Hello!");
  },

  async "mistakes"() {
    await refused(ask("Hello!", { temperature: 7 }), 400);
    await refused(ask("Hello!", {}, "no/such"), 404);
  },
};

const results = {};
for (const [name, part] of Object.entries(parts)) {
  results[name] = await part().then(() => "ok", (error) => `${error.stack}`);
}
console.log(JSON.stringify(results));
