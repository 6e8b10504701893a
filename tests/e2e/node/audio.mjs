// The official Node client speaks and writes down. One JSON argument says where and what:
//   base: the gateway's origin · speak, hear: the models to ask for · said: what a recording says
//   sound: base64 of what every text sounds like · words: what is told of each word · srt: the subtitles
// Prints "ok".

import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";

const { base, speak, hear, said, sound, words, srt } = JSON.parse(process.argv[2]);
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: "dummy-key", maxRetries: 0 });

const spoken = await client.audio.speech.create({
  model: speak,
  input: said,
  voice: "alloy",
  response_format: "wav",
});
assert.equal(spoken.headers.get("content-type"), "audio/wav");
const bytes = Buffer.from(await spoken.arrayBuffer());
assert.equal(bytes.toString("base64"), sound);

const file = () => toFile(bytes, "speech.wav", { type: "audio/wav" });
const ask = async (fields) => client.audio.transcriptions.create({ model: hear, file: await file(), ...fields });
assert.equal((await ask({})).text, said);
assert.equal(await ask({ response_format: "text" }), `${said}\n`);
assert.equal(await ask({ response_format: "srt" }), srt);
const told = await ask({ response_format: "verbose_json", timestamp_granularities: ["word"] });
assert.deepEqual(told.words, words);
assert.equal(told.segments, undefined);

const events = [];
for await (const event of await ask({ stream: true })) events.push(event);
const last = events.pop();
assert.equal(last.type, "transcript.text.done");
assert.equal(last.text, said);
assert.equal(events.map((event) => event.delta).join("").trim(), said);

await assert.rejects(client.audio.speech.create({ model: speak, input: said, voice: "alloy", speed: 9 }), (error) => {
  assert.ok(error instanceof OpenAI.BadRequestError);
  assert.equal(error.param, "speed");
  return true;
});
console.log("ok");
