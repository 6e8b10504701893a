// The official Node client asks a running gateway for pictures. One JSON argument says where and what:
//   base: the gateway's origin · models: names to ask for · image: a PNG in base64
// Prints "ok".

import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";

const { base, models, image } = JSON.parse(process.argv[2]);
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: "dummy-key", maxRetries: 0 });
const isPng = (text) => Buffer.from(text, "base64").subarray(1, 4).toString() === "PNG";
const file = (name) => toFile(Buffer.from(image, "base64"), name, { type: "image/png" });

for (const model of models) {
  const drawn = await client.images.generate({ model, prompt: "A cat.", n: 2, response_format: "b64_json" });
  assert.equal(drawn.data.length, 2);
  assert.ok(drawn.data.every(({ b64_json }) => isPng(b64_json)));

  const named = await client.images.generate({ model, prompt: "A cat.", response_format: "url" });
  assert.match(named.data[0].url, /^(data:image\/png;base64,|https:)/);

  for (const one of [await file("a.png"), [await file("a.png"), await file("b.png")]]) {
    const edited = await client.images.edit({ model, prompt: "Bluer.", image: one });
    assert.ok(isPng(edited.data[0].b64_json));
  }

  const varied = await client.images.createVariation({ model, image: await file("a.png") });
  assert.equal(varied.data.length, 1);

  const events = [];
  for await (const event of await client.images.generate({ model, prompt: "A cat.", stream: true })) {
    events.push(event);
  }
  assert.equal(events.at(-1).type, "image_generation.completed");
  assert.ok(isPng(events.at(-1).b64_json));

  await assert.rejects(client.images.generate({ model, prompt: "A cat.", n: 11 }), { status: 400, param: "n" });
}
console.log("ok");
