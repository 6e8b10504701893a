// The official Node client asks a running gateway for vectors. One JSON argument says where and what:
//   base: the gateway's origin · model: the name to ask for · texts, vectors: what each text's vector is
// Prints "ok". The client asks for base64 unless it is told otherwise.

import assert from "node:assert/strict";
import OpenAI from "openai";

const { base, model, texts, vectors } = JSON.parse(process.argv[2]);
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: "dummy-key", maxRetries: 0 });

for (const fields of [{}, { encoding_format: "float" }]) {
  const told = await client.embeddings.create({ model, input: texts, ...fields });
  assert.equal(told.data.length, texts.length);
  told.data.forEach(({ embedding, index }, place) => {
    assert.equal(index, place);
    assert.equal(embedding.length, vectors[place].length);
    embedding.forEach((number, at) => assert.ok(Math.abs(number - vectors[place][at]) < 1e-6));
  });
}
console.log("ok");
