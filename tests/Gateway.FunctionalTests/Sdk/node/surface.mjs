// Drives every option of the inference endpoints through the official OpenAI client: node surface.mjs BASE_URL TOOL_MODEL.
// Prints "ok NAME" per check; the first difference throws.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0 });
const tools = process.argv[3];
const messages = [{ role: "user", content: "the ox" }];
const chat = (fields, model = "starter") => client.chat.completions.create({ model, messages, ...fields });
const say = (...choice) => ({ structured_outputs: { choice } });
const x = "x".charCodeAt(0) + 2; // ids of the tiny tokenizer are bytes plus 2
const toolCall = 262; // its token for <tool_call>
const weather = {
  type: "function",
  function: {
    name: "weather", description: "d", strict: true,
    parameters: { type: "object", properties: { city: { enum: ["Rome", "Oslo"] } }, required: ["city"], additionalProperties: false },
  },
};
const checks = {
  async n() {
    const reply = await chat({ n: 3, seed: 4, max_completion_tokens: 9, ignore_eos: true });
    assert.deepEqual(reply.choices.map(choice => choice.index), [0, 1, 2]);
    assert.equal(new Set(reply.choices.map(choice => choice.message.content)).size, 3);
    assert.equal(reply.usage.completion_tokens, 27);
  },
  async seed() {
    const fields = { seed: 7, max_tokens: 9, top_p: 0.9, top_k: 40, min_p: 0.01, ignore_eos: true };
    assert.equal((await chat(fields)).choices[0].message.content, (await chat(fields)).choices[0].message.content);
  },
  async stop() {
    const reply = await chat({ ...say("one two three"), stop: [" two"] });
    assert.deepEqual([reply.choices[0].message.content, reply.choices[0].finish_reason], ["one", "stop"]);
  },
  async logit_bias_and_penalties() {
    const reply = await chat({ temperature: 0, max_tokens: 3, logit_bias: { [x]: 100 }, frequency_penalty: 0.5, presence_penalty: -0.5, repetition_penalty: 1.01 });
    assert.equal(reply.choices[0].message.content, "xxx");
  },
  async logprobs() {
    const reply = await chat({ temperature: 0, max_tokens: 4, ignore_eos: true, logprobs: true, top_logprobs: 3 });
    const tokens = reply.choices[0].logprobs.content;
    assert.equal(tokens.length, 4);
    assert.equal(tokens[0].top_logprobs.length, 3);
    assert.equal(tokens[0].logprob, tokens[0].top_logprobs[0].logprob);
    assert.equal(Buffer.from(tokens.flatMap(token => token.bytes)).toString(), reply.choices[0].message.content);
  },
  async json_object() {
    const reply = await chat({ response_format: { type: "json_object" }, max_tokens: 200, temperature: 0, logit_bias: { ["}".charCodeAt(0) + 2]: 50 } });
    assert.equal(typeof JSON.parse(reply.choices[0].message.content), "object");
  },
  async json_schema() {
    const schema = { type: "object", properties: { kind: { enum: ["a", "b"] }, n: { type: "integer", minimum: 0, maximum: 9 } }, required: ["kind", "n"], additionalProperties: false };
    const reply = await chat({ response_format: { type: "json_schema", json_schema: { name: "r", strict: true, schema } } });
    assert.ok(["a", "b"].includes(JSON.parse(reply.choices[0].message.content).kind));
  },
  async stream() {
    const stream = await chat({ ...say("h\u00e9llo"), stream: true, stream_options: { include_usage: true } });
    let [text, finish, usage] = ["", null, null];
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? "";
      finish ??= chunk.choices[0]?.finish_reason;
      usage = chunk.usage ?? usage;
    }
    assert.deepEqual([text, finish], ["h\u00e9llo", "stop"]);
    assert.ok(usage.prompt_tokens > 0);
  },
  async stream_n_with_logprobs() {
    const final = await client.chat.completions.stream({ model: "starter", messages, n: 2, seed: 1, max_tokens: 5, ignore_eos: true, logprobs: true, top_logprobs: 1 }).finalChatCompletion();
    assert.deepEqual(final.choices.map(choice => choice.logprobs.content.length), [5, 5]);
  },
  async abort() {
    const stream = await chat({ stream: true, max_tokens: 3000, ignore_eos: true });
    for await (const _ of stream) { stream.controller.abort(); break; }
  },
  async tool_named() {
    const reply = await chat({ tools: [weather], tool_choice: { type: "function", function: { name: "weather" } } }, tools);
    const [call] = reply.choices[0].message.tool_calls;
    assert.deepEqual([reply.choices[0].finish_reason, reply.choices[0].message.content, call.function.name], ["tool_calls", null, "weather"]);
    assert.ok(["Rome", "Oslo"].includes(JSON.parse(call.function.arguments).city));
  },
  async tool_stream() {
    const final = await client.chat.completions.stream({ model: tools, messages, tools: [weather], tool_choice: "required", parallel_tool_calls: false }).finalChatCompletion();
    assert.equal(final.choices[0].message.tool_calls.length, 1);
    assert.ok(JSON.parse(final.choices[0].message.tool_calls[0].function.arguments).city);
  },
  async tool_result() {
    const call = { id: "call_1", type: "function", function: { name: "weather", arguments: "{\"city\":\"Rome\"}" } };
    const reply = await chat({
      ...say("sunny"), tools: [weather], tool_choice: "none",
      messages: [...messages, { role: "assistant", content: null, tool_calls: [call] }, { role: "tool", tool_call_id: "call_1", content: "sun" }],
    }, tools);
    assert.equal(reply.choices[0].message.content, "sunny");
  },
  async tool_auto_and_allowed() {
    const auto = await chat({ tools: [weather], tool_choice: "auto", max_tokens: 5 }, tools);
    assert.ok(["stop", "length"].includes(auto.choices[0].finish_reason));
    const allowed = await chat({ tools: [weather], tool_choice: { type: "allowed_tools", allowed_tools: { mode: "required", tools: [{ type: "function", function: { name: "weather" } }] } } }, tools);
    assert.equal(allowed.choices[0].message.tool_calls[0].function.name, "weather");
  },
  async tool_strict_and_auto() {
    const fields = { model: tools, messages, tools: [weather], max_tokens: 200, seed: 1, parallel_tool_calls: false, logit_bias: { [toolCall]: 100 } };
    const form = { type: "json_schema", json_schema: { name: "r", strict: true, schema: { enum: ["a", "b"] } } };
    for (const more of [{}, { response_format: form }]) {
      const final = await client.chat.completions.stream({ ...fields, ...more }).finalChatCompletion();
      const [call] = final.choices[0].message.tool_calls;
      assert.deepEqual([final.choices[0].finish_reason, call.function.name], ["tool_calls", "weather"]);
      assert.ok(["Rome", "Oslo"].includes(JSON.parse(call.function.arguments).city));
    }
    const formed = await chat({ tools: [weather], response_format: form, logit_bias: { [toolCall]: -100 } }, tools);
    assert.ok(["a", "b"].includes(JSON.parse(formed.choices[0].message.content)));
  },
  async functions() {
    const reply = await chat({ functions: [weather.function], function_call: { name: "weather" } }, tools);
    assert.deepEqual([reply.choices[0].finish_reason, reply.choices[0].message.function_call.name], ["function_call", "weather"]);
  },
  async users_and_tiers() {
    const { data, response } = await client.chat.completions.create({
      model: "starter", messages, max_tokens: 1, user: "u", safety_identifier: "s", prompt_cache_key: "k", service_tier: "auto", verbosity: "low", reasoning_effort: "low", modalities: ["text"],
    }).withResponse();
    assert.equal(data.service_tier, "default");
    assert.ok(response.headers.get("openai-processing-ms") !== null && response.headers.get("x-request-id"));
  },
  async stored() {
    const made = await chat({ ...say("kept"), store: true, metadata: { topic: "a" } });
    await chat({ ...say("not kept") });
    const other = await chat({ ...say("other"), store: true, metadata: { topic: "b" } });
    const ids = async query => { const found = []; for await (const item of client.chat.completions.list(query)) found.push(item.id); return found; };
    assert.deepEqual(await ids({}), [made.id, other.id]);
    assert.deepEqual(await ids({ order: "desc", limit: 1 }), [other.id, made.id]);
    assert.deepEqual(await ids({ metadata: { topic: "a" } }), [made.id]);
    const kept = await client.chat.completions.retrieve(made.id);
    assert.deepEqual([kept.choices[0].message.content, kept.choices[0].finish_reason, kept.metadata.topic], ["kept", "stop", "a"]);
    assert.equal((await client.chat.completions.update(made.id, { metadata: { topic: "c" } })).metadata.topic, "c");
    const said = [];
    for await (const message of client.chat.completions.messages.list(made.id)) said.push(message);
    assert.deepEqual(said.map(message => [message.role, message.content]), [["user", "the ox"]]);
    assert.equal((await client.chat.completions.delete(made.id)).deleted, true);
    await assert.rejects(client.chat.completions.retrieve(made.id), error => error.status === 404);
    assert.deepEqual(await ids({}), [other.id]);
  },
  async completions() {
    const reply = await client.completions.create({ model: "starter", prompt: ["the", "ox"], n: 2, max_tokens: 4, seed: 1, logprobs: 2, echo: true, ignore_eos: true });
    assert.deepEqual(reply.choices.map(choice => choice.index), [0, 1, 2, 3]);
    assert.ok(reply.id.startsWith("cmpl-") && reply.choices[2].text.startsWith("ox"));
    assert.equal(reply.choices[0].logprobs.tokens.length, 5);
    const best = await client.completions.create({ model: "starter", prompt: [x, x], best_of: 3, max_tokens: 4, seed: 1 });
    assert.equal(best.choices.length, 1);
  },
  async completions_stream() {
    let [text, finish] = ["", null];
    for await (const chunk of await client.completions.create({ model: "starter", prompt: "a", stream: true, ...say("b c"), max_tokens: 20 })) {
      text += chunk.choices[0]?.text ?? "";
      finish ??= chunk.choices[0]?.finish_reason;
    }
    assert.deepEqual([text, finish], ["b c", "stop"]);
  },
  async embeddings() {
    const reply = await client.embeddings.create({ model: "starter", input: ["the fox", "the ox"] });
    assert.equal(reply.data.length, 2);
    assert.ok(Math.abs(reply.data[0].embedding.reduce((sum, value) => sum + value * value, 0) - 1) < 1e-4);
    const plain = await client.embeddings.create({ model: "starter", input: "the fox", encoding_format: "float" });
    assert.ok(Math.abs(plain.data[0].embedding[0] - reply.data[0].embedding[0]) < 1e-6);
  },
  async models() {
    const found = [];
    for await (const model of client.models.list()) found.push(model);
    const card = found.find(model => model.id === tools);
    assert.deepEqual([card.parent, card.root, (await client.models.retrieve(tools)).id], ["starter", tools, tools]);
  },
  async errors() {
    const refused = (call, status, code, param) => assert.rejects(call, error => {
      assert.deepEqual([error.status, error.code, error.param, error.type], [status, code, param, "invalid_request_error"]);
      return true;
    });
    await refused(chat({ top_logprobs: 2 }), 400, "invalid_value", "top_logprobs");
    await refused(chat({ tools: [weather] }), 400, "unsupported_parameter", "tools");
    await refused(client.completions.create({ model: "starter", prompt: "a", suffix: "b" }), 400, "unsupported_parameter", "suffix");
    await refused(client.embeddings.create({ model: "starter", input: "a", dimensions: 3 }), 400, "unsupported_parameter", "dimensions");
    await refused(client.embeddings.create({ model: "nobody", input: "a" }), 404, "model_not_found", "model");
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check();
  console.log("ok", name);
}
