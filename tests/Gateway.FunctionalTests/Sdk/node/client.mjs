// Drives the official OpenAI client against a gateway: node client.mjs BASE_URL. Prints one line per check.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "Hi" }];

const chat = await client.chat.completions.create({ model: "starter", messages });
console.log("chat", chat.choices[0].message.content, chat.choices[0].finish_reason, chat.usage.total_tokens);

// The high-level helper is strict: it throws when a chunk or a finish reason is missing.
const stream = client.chat.completions.stream({ model: "starter", messages });
const final = await stream.finalChatCompletion();
console.log("stream", final.choices[0].message.content, final.choices[0].finish_reason);

const models = [];
for await (const model of client.models.list()) models.push(model.id);
console.log("models", models.join(","));

try {
  await client.chat.completions.create({ model: "nobody", messages });
} catch (error) {
  console.log("error", error.status, error.code);
}
