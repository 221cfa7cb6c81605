// A minimal honest bridge in Node, to measure against: `ws` and JSON.
// `node node_bridge.mjs PORT REALTIME_URL`. It forwards audio both ways, clears when the caller speaks, and with
// MARKS=1 marks every delta. It has no database, no checks, no transcript and no tools.

import WebSocket, { WebSocketServer } from "ws";

const [port, url] = process.argv.slice(2);
const marks = process.env.MARKS === "1";
const format = { type: "audio/pcmu" };
const session = {
  type: "realtime",
  output_modalities: ["audio"],
  instructions: "You are a helpful assistant on the telephone.",
  audio: {
    input: { format, turn_detection: { type: "server_vad" } },
    output: { format, voice: "marin" },
  },
};

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(port), perMessageDeflate: false });

server.on("connection", (twilio) => {
  const model = new WebSocket(url, {
    headers: { Authorization: "Bearer benchmark" },
    perMessageDeflate: false,
  });
  const early = [];
  let streamSid = "";
  let marked = 0;
  const tell = (message) => {
    if (twilio.readyState === WebSocket.OPEN) twilio.send(JSON.stringify(message));
  };

  twilio.on("message", (data) => {
    const message = JSON.parse(data);
    switch (message.event) {
      case "media": {
        const text = JSON.stringify({ type: "input_audio_buffer.append", audio: message.media.payload });
        if (model.readyState === WebSocket.OPEN) model.send(text);
        else early.push(text);
        break;
      }
      case "start":
        streamSid = message.start.streamSid;
        break;
      case "stop":
        model.close();
        break;
    }
  });
  twilio.on("close", () => model.close());

  model.on("open", () => {
    model.send(JSON.stringify({ type: "session.update", session }));
    for (const text of early.splice(0)) model.send(text);
  });
  model.on("message", (data) => {
    const event = JSON.parse(data);
    switch (event.type) {
      case "response.output_audio.delta":
        tell({ event: "media", streamSid, media: { payload: event.delta } });
        if (marks) {
          marked += 1;
          tell({ event: "mark", streamSid, mark: { name: String(marked) } });
        }
        break;
      case "input_audio_buffer.speech_started":
        tell({ event: "clear", streamSid });
        break;
    }
  });
  model.on("error", (error) => console.error(error));
  model.on("close", () => twilio.close());
});
