#!/usr/bin/env node
// Prints every event of dsnd's feed, once and in order, whatever happens in between: see dsnd-feed(7), "How to miss nothing".
//
// usage: node follow.js FEED REPLAY [POSITION]     as in: node follow.js tcp://127.0.0.1:5556 tcp://127.0.0.1:5557 0
//
// Begins after POSITION; with what is new where none is given. For a Redis without shards. npm install zeromq
const zmq = require("zeromq");

const [feedEndpoint, replayEndpoint, start = "$"] = process.argv.slice(2);
const feed = new zmq.Subscriber({ receiveHighWaterMark: 100000 });
let position = start;

function isNew(entry) {
  const [a, b] = [entry, position].map((id) => id.split("-").map(BigInt));
  return a[0] > b[0] || (a[0] === b[0] && a[1] > b[1]);
}

async function ask(...request) {
  for (;;) { // a socket for each question: where no answer comes, it is asked again
    const socket = new zmq.Request({ receiveTimeout: 5000, linger: 0 });
    socket.connect(replayEndpoint);
    try {
      await socket.send(request);
      const answer = (await socket.receive()).map(String);
      if (answer[0] !== "ERROR" || answer[1] !== "away") return answer;
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    } finally {
      socket.close();
    }
  }
}

async function printMissed() {
  for (let frames = [""]; frames.length > 0;) {
    let what, trimmed;
    [what, position, trimmed, ...frames] = await ask("REPLAY", position);
    if (what !== "EVENTS" || trimmed) throw new Error(`events are missing: ${trimmed || position}`);
    for (let i = 2; i < frames.length; i += 3) console.log(frames[i]);
  }
}

async function main() {
  feed.connect(feedEndpoint);
  feed.subscribe();
  await printMissed();
  let epoch, sequence;
  for await (const [topic, numbers, entry, event] of feed) {
    const beat = String(topic) === "heartbeat";
    const before = [epoch, sequence];
    [epoch, sequence] = [numbers.readBigUInt64BE(0), numbers.readBigUInt64BE(8)];
    if (epoch !== before[0] || sequence !== before[1] + (beat ? 0n : 1n)) {
      await printMissed();
    } else if (!beat && isNew(String(entry))) {
      position = String(entry);
      console.log(String(event));
    }
  }
}

if (!replayEndpoint) {
  console.error("usage: node follow.js FEED REPLAY [POSITION]");
  process.exit(2);
}
main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
