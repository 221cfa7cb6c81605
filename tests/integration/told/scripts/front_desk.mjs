// The same script with Vapi's library for TypeScript, as it was written for Vapi. It knows nothing of Tandem.
import { VapiClient } from "@vapi-ai/server-sdk";

const { VAPI_KEY, VAPI_BASE_URL, TOOL_URL, GREETING, PHONE_NUMBER_ID, CUSTOMER } = process.env;
const client = new VapiClient({ token: VAPI_KEY, baseUrl: VAPI_BASE_URL });

const tool = await client.tools.create({
  type: "function",
  function: {
    name: "get_repair_status",
    description: "Look up a repair by its ticket number.",
    parameters: {
      type: "object",
      properties: { ticket: { type: "string" }, include_price: { type: "boolean" } },
      required: ["ticket"],
    },
  },
  server: { url: TOOL_URL },
});
const assistant = await client.assistants.create({
  name: "Front desk",
  firstMessage: "Hello?",
  model: {
    provider: "openai",
    model: "gpt-4o",
    messages: [{ role: "system", content: "You answer for Harbour Bikes. Be brief." }],
    toolIds: [tool.id],
    tools: [{ type: "endCall" }],
  },
});
const listed = (await client.assistants.list({ limit: 100 })).map((one) => one.id);
const patched = await client.assistants.update({ id: assistant.id, firstMessage: GREETING });

let call = await client.calls.create({
  assistantId: assistant.id,
  phoneNumberId: PHONE_NUMBER_ID,
  customer: { number: CUSTOMER, name: "Marta Ilves" },
});
const placed = call.status;
const until = Date.now() + 120_000;
// The words are written down a moment after the end.
while (call.status !== "ended" || !call.artifact?.transcript) {
  if (Date.now() > until) throw new Error(`the call is still ${call.status}`);
  await new Promise((done) => setTimeout(done, 1000));
  call = await client.calls.get({ id: call.id });
}

const deleted = await client.assistants.delete({ id: assistant.id });
await client.tools.delete({ id: tool.id });
console.log(
  JSON.stringify({
    assistant: assistant.id,
    listed: listed.includes(assistant.id),
    patched: patched.firstMessage,
    placed,
    call: call.id,
    reason: call.endedReason,
    transcript: call.artifact.transcript,
    roles: call.artifact.messages.map((one) => one.role),
    deleted: deleted.id,
    left: (await client.assistants.list()).map((one) => one.id),
  }),
);
