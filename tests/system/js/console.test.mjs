// The console's modules that need no page: run by `test_console_js.py`.
import assert from "node:assert/strict";
import { test } from "node:test";

const STATIC = new URL("../../../voice_agent/server/console/static/", import.meta.url);
const load = (name) => import(new URL(name, STATIC));

const { Delay, Loss } = await load("bad-line.js");
const { Carrier } = await load("carrier.js");
const { partName, since } = await load("format.js");
const { SILENCE } = await load("mulaw.js");
const { Playout } = await load("playout.js");
const { Resampler } = await load("resample.js");
const { help, keyPath } = await load("schema-help.js");
const { Spoken } = await load("spoken.js");

const decibels = (samples) => {
  const middle = samples.slice(samples.length / 4, (samples.length * 3) / 4);
  return 20 * Math.log10(Math.SQRT2 * Math.sqrt(middle.reduce((sum, value) => sum + value * value, 0) / middle.length));
};

const tone = (hz, rateHz) => Float32Array.from({ length: rateHz }, (_, at) => Math.sin((2 * Math.PI * hz * at) / rateHz));

for (const [from, to] of [[48000, 8000], [44100, 8000], [8000, 48000], [8000, 44100]]) {
  test(`a second of ${from} Hz is a second of ${to} Hz, and speech stays as loud`, () => {
    for (const hz of [300, 1000, 3000]) {
      const made = new Resampler(from, to).feed(tone(hz, from));
      assert.equal(made.length, to);
      assert.ok(Math.abs(decibels(made)) < 0.1, `${hz} Hz: ${decibels(made)} dB`);
    }
  });
}

test("what a telephone cannot carry does not fold back into speech", () => {
  for (const hz of [4600, 5000, 7000, 12000]) assert.ok(decibels(new Resampler(48000, 8000).feed(tone(hz, 48000))) < -60);
});

test("how samples are cut into pieces changes nothing", () => {
  const whole = [...new Resampler(44100, 8000).feed(tone(440, 44100))];
  const cut = new Resampler(44100, 8000);
  const pieces = [];
  const samples = tone(440, 44100);
  for (let at = 0; at < samples.length; at += 128) pieces.push(...cut.feed(samples.subarray(at, at + 128)));
  assert.deepEqual(pieces, whole);
});

test("a mark comes back when all before it was played, and at once when nothing is", () => {
  const playout = new Playout();
  assert.deepEqual(playout.mark("a"), ["a"]);
  playout.push(Uint8Array.of(0x10, 0x90));
  assert.deepEqual([playout.mark("b"), playout.mark("c")], [[], []]);
  playout.push(Uint8Array.of(0x20));
  assert.deepEqual(playout.mark("d"), []);
  assert.deepEqual(playout.read(new Float32Array(1)), []);
  assert.deepEqual(playout.read(new Float32Array(1)), ["b", "c"]);
  const last = new Float32Array(3);
  assert.deepEqual(playout.read(last), ["d"]);
  assert.deepEqual([...last].map(Math.abs).slice(1), [0, 0]);
});

test("clear drops what is not played and gives the marks that waited", () => {
  const playout = new Playout();
  playout.push(new Uint8Array(160));
  playout.mark("a");
  playout.read(new Float32Array(80));
  assert.deepEqual(playout.clear(), ["a"]);
  assert.deepEqual(playout.mark("b"), ["b"]);
  const silence = new Float32Array(4);
  playout.read(silence);
  assert.deepEqual([...silence].map(Math.abs), [0, 0, 0, 0]);
});

const CALL = { callSid: "CA1", accountSid: "AC1", streamSid: "MZ1", parameters: { token: "t" } };

function carrier() {
  const sent = [];
  const done = [];
  const player = {
    push: (audio) => done.push(["push", [...audio]]),
    mark: (name) => done.push(["mark", name]),
    clear: () => done.push(["clear"]),
  };
  return { carrier: new Carrier(CALL, (text) => sent.push(JSON.parse(text)), player), sent, done };
}

test("numbers count on over all messages, chunks over those that were sent, time over what was lost, too", () => {
  const { carrier: it, sent } = carrier();
  it.start();
  it.hear(new Uint8Array(160));
  it.hear(null);
  it.press("5");
  it.press("55");
  it.hear(new Uint8Array(160));
  it.stop();
  it.hear(new Uint8Array(160));
  assert.deepEqual(sent.map(({ event }) => event), ["connected", "start", "media", "dtmf", "media", "stop"]);
  assert.deepEqual(sent.slice(1).map(({ sequenceNumber }) => sequenceNumber), ["1", "2", "3", "4", "5"]);
  assert.deepEqual(sent.filter(({ media }) => media).map(({ media }) => [media.chunk, media.timestamp]), [["1", "0"], ["2", "40"]]);
});

test("what the server sends is obeyed in its order; what is no message of Twilio's changes nothing and is told once", () => {
  const { carrier: it, done } = carrier();
  it.receive('{"event":"media","streamSid":"MZ1","media":{"payload":"/38="}}');
  it.receive('{"event":"mark","streamSid":"MZ1","mark":{"name":"m"}}');
  it.receive('{"event":"clear","streamSid":"MZ1"}');
  for (const bad of ["{", "null", '{"event":"clear","streamSid":"MZ2"}', '{"event":"dance","streamSid":"MZ1"}',
    '{"event":"media","streamSid":"MZ1","media":{"payload":"=="}}', '{"event":"mark","streamSid":"MZ1"}', "{"]) it.receive(bad);
  assert.deepEqual(done, [["push", [255, 127]], ["mark", "m"], ["clear"]]);
  assert.equal(it.warnings.length, 5);
});

test("a line that is late hands on in order, also when it gets better meanwhile", () => {
  const handed = [];
  const waking = [];
  let now = 0;
  const delay = new Delay((item) => handed.push(item), () => now, (wake, ms) => waking.push([wake, now + ms]));
  delay.put("a");
  delay.ms = 100;
  delay.put("b");
  delay.ms = 0;
  delay.put("c");
  assert.deepEqual(handed, ["a"]);
  while (waking.length) {
    const [wake, at] = waking.shift();
    now = at;
    wake();
  }
  assert.deepEqual([handed, now], [["a", "b", "c"], 100]);
});

test("a line that loses puts silence in the place of what it lost", () => {
  const chances = [0.05, 0.5];
  const loss = new Loss(() => chances.shift());
  const audio = new Uint8Array(320).fill(1);
  assert.equal(loss.thin(audio), audio);
  loss.percent = 10;
  const thin = loss.thin(audio);
  assert.deepEqual([thin[0], thin[159], thin[160], audio[0]], [SILENCE, SILENCE, 1, 1]);
});

test("what was cut of an answer is told from what was heard, and the caller's words stand where they were said", () => {
  const spoken = new Spoken(() => {});
  spoken.take("caller_began", {});
  spoken.take("agent_words", { item_id: "i", text: "We look after " });
  spoken.take("agent_words", { item_id: "i", text: "the whole family." });
  spoken.take("agent_began", { item_id: "i", response_ms: 624 });
  spoken.take("caller_said", { text: "What do you offer?" });
  spoken.take("caller_began", {});
  spoken.take("agent_said", { item_id: "i", text: "We look", interrupted: true, heard_ms: 700, total_ms: 2000 });
  spoken.take("usage", {});
  assert.deepEqual(spoken.lines.map(({ who, text, cut }) => [who, text, cut]), [
    ["caller", "What do you offer?", ""],
    ["agent", "We look", "after the whole family."],
    ["caller", "", ""],
  ]);
  assert.equal(spoken.lines[1].tag, "624 ms, heard 0.7 s of 2.0 s");
  assert.deepEqual(spoken.lines.map(({ pending }) => pending), [false, false, true]);
});

test("a tool's answer stands with its call", () => {
  const spoken = new Spoken(() => {});
  spoken.take("tool_started", { call_id: "c", name: "hours", arguments: "{}" });
  spoken.take("tool_answered", { call_id: "c", output: "9 to 5", failed: true, took_ms: 3 });
  const [{ text, tag, failed }] = spoken.lines;
  assert.deepEqual([text, tag, failed], ["hours({}) \u2192 9 to 5", "failed, 3 ms", true]);
});

test("why a tool failed stands with it, told with its answer, before it or behind it", () => {
  const answer = { call_id: "c", output: "it failed" };
  const failure = { call_id: "c", cause: "HTTP 503" };
  const orders = [
    [["tool_answered", { ...answer, failed: true, took_ms: 3, cause: "HTTP 503" }]],
    [["tool_failed", failure], ["tool_answered", answer]],
    [["tool_answered", answer], ["tool_failed", failure]],
  ];
  for (const events of orders) {
    const spoken = new Spoken(() => {});
    spoken.take("tool_started", { call_id: "c", name: "find", arguments: "{}" });
    for (const [name, event] of events) spoken.take(name, event);
    const [{ text, tag, why, failed, pending }] = spoken.lines;
    assert.deepEqual([text, why, failed, pending], ["find({}) \u2192 it failed", "HTTP 503", true, false]);
    assert.match(tag, /^failed/);
  }
});

const AGENT = `name: desk
barge_in: {after_ms: 300, greeting: protected}
instructions: |
  Say hello.

  - Ask: how are you?
tools:
  - http:
      name: slots
      headers: {Authorization: "Bearer {x}", Other: 1}
`;

test("the keys that lead to a place are known without understanding the file", () => {
  const at = (word) => keyPath(AGENT, AGENT.indexOf(word) + 1);
  assert.deepEqual(at("desk"), ["name"]);
  assert.deepEqual(at("300"), ["barge_in", "after_ms"]);
  assert.deepEqual(at("protected"), ["barge_in", "greeting"]);
  assert.deepEqual(at("Say"), ["instructions"]);
  assert.deepEqual(at("slots"), ["tools", "http", "name"]);
  assert.deepEqual(at("Other"), ["tools", "http", "headers", "Other"]);
  assert.deepEqual(keyPath(AGENT, AGENT.length), []);
});

test("help is of as much of a path as the schema knows, through lists and alternatives", () => {
  const name = { type: "string", description: "Its name.", examples: ["a"] };
  const http = { type: "object", description: "A request.", properties: { name } };
  const tools = { type: "array", description: "What it may do.", items: { anyOf: [{ enum: ["hang_up"] }, { properties: { http } }] } };
  const schema = { title: "An agent", properties: { tools, speed: { minimum: 1, maximum: 2, default: 1.5, description: "How fast." } } };
  assert.deepEqual(help(schema, ["tools", "http", "name", "more"]), {
    path: ["tools", "http", "name"], description: "Its name.", facts: [["for example", "a"]], keys: [],
  });
  assert.deepEqual(help(schema, ["tools"]).facts, [["one of", "hang_up"]]);
  assert.deepEqual(help(schema, ["tools"]).keys, [["http", "A request."]]);
  assert.deepEqual(help(schema, ["speed"]).facts, [["from", "1 to 2"], ["unless set", "1.5"]]);
  assert.deepEqual(help(schema, ["nothing"]).keys.map(([key]) => key), ["tools", "speed"]);
});

test("a part of a call is named by what it lies between", () => {
  assert.equal(partName(1, undefined, false, "transferred"), "1: until the transfer");
  assert.equal(partName(2, "transferred", true, "stream_lost"), "2: back from a failed transfer, until the line was lost");
  assert.equal(partName(3, "stream_lost", false, "completed"), "3: taken up again");
  assert.equal(partName(2, "of a later version", false, "completed"), "2: the rest");
  assert.equal(since("transferred"), "back from the transfer");
});

// Stands in for a browser: what is fetched is answered by `answers`, by the path; the paths are given in their order.
function standIn(answers) {
  const asked = [];
  const stream = { getTracks: () => [{ stop() {} }] };
  const node = { connect: (to) => to, port: { postMessage() {} } };
  Object.assign(globalThis, {
    fetch: async (path, { signal } = {}) => {
      asked.push(path);
      const answer = await answers[path]?.();
      signal?.throwIfAborted();
      const [status, body] = answer ?? [204, undefined];
      return new Response(body === undefined ? null : JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
    },
    location: { href: "http://127.0.0.1/console", pathname: "/console", assign: (to) => asked.push(`to ${to}`) },
    AudioContext: class {
      audioWorklet = { addModule: async () => {} };
      resume = async () => {};
      close() {}
      createMediaStreamSource = () => node;
    },
    AudioWorkletNode: class {
      constructor() {
        return node;
      }
    },
    RTCPeerConnection: class {
      addEventListener() {}
      addTrack() {}
      createDataChannel = () => ({ addEventListener() {} });
      createOffer = async () => ({});
      setLocalDescription = async () => {};
      localDescription = { sdp: "" };
      setRemoteDescription = async () => asked.push("connected");
      close() {}
    },
    Audio: class {},
  });
  Object.defineProperty(globalThis, "navigator", { configurable: true, value: { mediaDevices: { getUserMedia: async () => stream } } });
  return asked;
}

const VIEW = { state() {}, note() {}, begun() {}, levels() {}, over() {} };
const SESSION = "/console/api/session";
const LINE = { loss: 0, delay: 0, noise: 0 };

test("who hangs up while a telephone call is being begun ends it as soon as it is there", async () => {
  const { TelephoneCall } = await load("telephone-call.js");
  const call = new TelephoneCall({ ...VIEW, begun: () => assert.fail("it is over") }, LINE);
  const asked = standIn({
    [SESSION]: () => [200, { token: "t" }],
    "/console/api/phone/calls": () => {
      call.hangUp();
      return [200, { call_sid: "CA1", account_sid: "AC1", verbs: [] }];
    },
  });
  await call.hold({});
  assert.ok(asked.includes("/console/api/phone/calls/CA1/over"));
});

test("who hangs up while a call to the model is being begun calls nobody", async () => {
  const { WebRtcCall } = await load("webrtc-call.js");
  for (const during of ["/console/session", "https://model/calls"]) {
    const call = new WebRtcCall(VIEW);
    const hungUp = (answer) => (path) => () => {
      if (path === during) call.hangUp();
      return [200, answer];
    };
    const asked = standIn({
      [SESSION]: () => [200, { token: "t" }],
      "/console/session": hungUp({ value: "v", calls_url: "https://model/calls", call_url: "/console/session/1/call" })("/console/session"),
      "https://model/calls": hungUp("sdp")("https://model/calls"),
    });
    await call.hold({ agent: "reception" });
    assert.ok(!asked.includes("connected") && !asked.includes("/console/session/1/call"), asked.join(" "));
    assert.equal(asked.at(-1), during);
  }
});

test("server-sent events come again when a server that was gone is back, and not when they are closed", async (t) => {
  const { events } = await load("api.js");
  const sources = [];
  globalThis.EventSource = class {
    static CLOSED = 2;
    constructor() {
      this.on = {};
      sources.push(this);
    }
    addEventListener(name, handle) {
      this.on[name] = handle;
    }
    close() {}
  };
  const answers = [[502, undefined], [502, undefined], [200, { token: "t" }], [200, { token: "t" }]];
  const asked = standIn({ [SESSION]: () => answers.shift() });
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const later = async () => {
    t.mock.timers.tick(3000);
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    await new Promise(setImmediate);
  };
  const states = [];
  const told = events("/console/api/live", {}, (connected) => states.push(connected));
  const lost = () => {
    sources.at(-1).readyState = 2;
    sources.at(-1).on.error();
  };
  lost();
  for (const _ of [1, 2, 3]) await later();
  assert.equal(asked.length, 3);
  assert.equal(sources.length, 2, "the third time the server was there");
  sources.at(-1).on.open();
  lost();
  told.close();
  await later();
  assert.equal(sources.length, 2);
  assert.deepEqual(states, [false, true, false]);
});
