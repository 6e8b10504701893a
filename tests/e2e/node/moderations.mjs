// The official Node client has a running gateway judge texts. One JSON argument says where and what:
//   base: the gateway's origin · models: the names to ask for · texts, flags: whether each text is flagged
// Prints "ok".

import assert from "node:assert/strict";
import OpenAI from "openai";

const { base, models, texts, flags } = JSON.parse(process.argv[2]);
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: "dummy-key", maxRetries: 0 });

for (const model of models) {
  const told = await client.moderations.create({ model, input: texts });
  assert.deepEqual(told.results.map(({ flagged }) => flagged), flags);
  told.results.forEach(({ categories, category_scores }, place) => {
    assert.equal(categories.violence, flags[place]);
    assert.ok(category_scores.violence >= 0 && category_scores.violence <= 1);
  });
}
console.log("ok");
