// Drives the responses API through the official OpenAI client: node responses.mjs BASE_URL TOOL_MODEL.
// Prints "ok NAME" per check; the first difference throws.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0 });
const toolModel = process.argv[3];
const toolCall = 262; // its token for <tool_call>
const say = (...choice) => ({ structured_outputs: { choice } });
const create = fields => client.responses.create({ model: "starter", input: "the ox", ...fields });
const weather = {
  type: "function", name: "weather", description: "d", strict: true,
  parameters: { type: "object", properties: { city: { enum: ["Rome", "Oslo"] } }, required: ["city"], additionalProperties: false },
};
const schema = { type: "object", properties: { kind: { enum: ["a", "b"] } }, required: ["kind"], additionalProperties: false };
const checks = {
  async text_and_retrieval() {
    const reply = await create({ ...say("héllo"), instructions: "i", metadata: { a: "b" } });
    assert.deepEqual([reply.output_text, reply.status, reply.output.length], ["héllo", "completed", 1]);
    assert.ok(reply.usage.input_tokens > 0 && reply.usage.output_tokens_details.reasoning_tokens === 0);
    assert.deepEqual((await client.responses.retrieve(reply.id, { include: ["message.output_text.logprobs"] })).output, reply.output);
    await client.responses.delete(reply.id);
    await assert.rejects(client.responses.retrieve(reply.id), error => error.status === 404 && error.code === "not_found");
  },
  async stream() {
    let [text, types] = ["", []];
    for await (const event of await create({ ...say("héllo 😀"), stream: true })) {
      types.push(event.type);
      text += event.type === "response.output_text.delta" ? event.delta : "";
    }
    assert.deepEqual([text, types[0], types.at(-1)], ["héllo 😀", "response.created", "response.completed"]);
  },
  async stream_class() {
    const final = await client.responses.stream({ model: "starter", input: "the ox", ...say("one two") }).finalResponse();
    assert.equal(final.output_text, "one two");
    const kept = await client.responses.retrieve(final.id);
    assert.deepEqual([kept.status, kept.output[0].content[0].text], [final.status, final.output[0].content[0].text]);
  },
  async incomplete() {
    const final = await client.responses.stream({ model: "starter", input: "the ox", max_output_tokens: 3, ignore_eos: true }).finalResponse();
    assert.deepEqual([final.status, final.incomplete_details.reason, final.usage.output_tokens], ["incomplete", "max_output_tokens", 3]);
  },
  async logprobs() {
    const reply = await create({ temperature: 0, max_output_tokens: 4, ignore_eos: true, include: ["message.output_text.logprobs"], top_logprobs: 2 });
    const tokens = reply.output[0].content[0].logprobs;
    assert.deepEqual([tokens.length, tokens[0].top_logprobs.length], [4, 2]);
    assert.equal(Buffer.from(tokens.flatMap(token => token.bytes)).toString(), reply.output_text);
  },
  async logprobs_stream() {
    const final = await client.responses.stream({ model: "starter", input: "the ox", temperature: 0, max_output_tokens: 4, ignore_eos: true, include: ["message.output_text.logprobs"] }).finalResponse();
    assert.equal(final.output[0].content[0].logprobs.length, 4);
  },
  async parse() {
    const reply = await client.responses.parse({ model: "starter", input: "the ox", text: { format: { type: "json_schema", name: "r", strict: true, schema } } });
    assert.ok(["a", "b"].includes(reply.output_parsed.kind));
    assert.equal(reply.text.format.strict, true);
  },
  async json_object() {
    const reply = await create({ text: { format: { type: "json_object" } }, max_output_tokens: 200, temperature: 0, logit_bias: { ["}".charCodeAt(0) + 2]: 50 } });
    assert.equal(typeof JSON.parse(reply.output_text), "object");
  },
  async function_round_trips() {
    const first = await client.responses.create({ model: toolModel, input: "the ox", tools: [weather], tool_choice: { type: "function", name: "weather" } });
    const [call] = first.output;
    assert.deepEqual([first.output.length, call.type, call.name, call.status], [1, "function_call", "weather", "completed"]);
    assert.ok(["Rome", "Oslo"].includes(JSON.parse(call.arguments).city));
    const output = { type: "function_call_output", call_id: call.call_id, output: "sunny" };
    const byId = await client.responses.create({ model: toolModel, input: [output], previous_response_id: first.id, ...say("fine") });
    const byReplay = await client.responses.create({ model: toolModel, input: [{ role: "user", content: "the ox" }, ...first.output, output], ...say("fine") });
    assert.deepEqual([byId.output_text, byReplay.output_text], ["fine", "fine"]);
    assert.equal(byId.usage.input_tokens, byReplay.usage.input_tokens);
  },
  async function_stream() {
    const stream = client.responses.stream({ model: toolModel, input: "the ox", tools: [weather], tool_choice: "required" });
    let done = null;
    stream.on("response.function_call_arguments.done", event => { done ??= event; });
    const final = await stream.finalResponse();
    assert.deepEqual([done.arguments, done.name], [final.output[0].arguments, "weather"]);
  },
  async function_strict_and_auto() {
    const fields = { model: toolModel, input: "the ox", tools: [weather], max_output_tokens: 200, parallel_tool_calls: false, logit_bias: { [toolCall]: 100 } };
    for (const text of [undefined, { format: { type: "json_schema", name: "r", strict: true, schema } }]) {
      const [call] = (await client.responses.create({ ...fields, text })).output;
      assert.deepEqual([call.type, call.name, ["Rome", "Oslo"].includes(JSON.parse(call.arguments).city)], ["function_call", "weather", true]);
    }
  },
  async conversation() {
    let [id, items] = [null, []];
    for (const input of ["one", "two", "three"]) {
      id = (await create({ input, previous_response_id: id, ...say("yes") })).id;
    }
    for await (const item of client.responses.inputItems.list(id, { limit: 2, order: "asc" })) items.push(item.content[0].text);
    assert.deepEqual(items, ["one", "yes", "two", "yes", "three"]);
  },
  async counts() {
    const { input_tokens } = await client.responses.inputTokens.count({ model: "starter", input: "the ox", instructions: "be brief" });
    assert.equal(input_tokens, (await create({ instructions: "be brief", ...say("x") })).usage.input_tokens);
  },
  async truncation() {
    let id = null;
    for (let turn = 0; turn < 6; turn++) {
      id = (await create({ input: "x".repeat(900), previous_response_id: id, truncation: "auto", max_output_tokens: 8, ignore_eos: true })).id;
    }
    await assert.rejects(create({ previous_response_id: id, max_output_tokens: 8 }), error => error.status === 400 && error.code === "context_length_exceeded" && error.param === "input");
  },
  async errors() {
    const refused = (call, status, code, param) => assert.rejects(call, error => {
      assert.deepEqual([error.status, error.code, error.param], [status, code, param]);
      return true;
    });
    await refused(create({ previous_response_id: "resp_none" }), 400, "previous_response_not_found", "previous_response_id");
    await refused(create({ tools: [{ type: "web_search" }] }), 400, "unsupported_tool", "tools[0].type");
    await refused(create({ model: "nobody" }), 404, "model_not_found", "model");
    const kept = await create(say("x"));
    await refused(client.responses.cancel(kept.id), 400, "invalid_value", null);
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check();
  console.log("ok", name);
}
