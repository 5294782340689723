// Speaks as the console's carrier does, for `test_console_js.py`: what it sends, what it gives to its player, and its codes.
const STATIC = new URL("../../../voice_agent/server/console/static/", import.meta.url);
const { Carrier } = await import(new URL("carrier.js", STATIC));
const { DECODED, encode } = await import(new URL("mulaw.js", STATIC));

const sent = [];
const played = [];
const player = {
  push: (audio) => played.push([...audio]),
  mark: (name) => carrier.echo(name),
  clear: () => played.push("clear"),
};
const call = JSON.parse(process.argv[2]);
const carrier = new Carrier(call, (text) => sent.push(text), player);
carrier.start();
carrier.hear(Uint8Array.from({ length: 160 }, (_, at) => at));
for (const text of JSON.parse(process.argv[3])) carrier.receive(text);
carrier.press("#");
carrier.stop();
const codes = Array.from({ length: 65536 }, (_, at) => encode((at - 32768) / 32768));
console.log(JSON.stringify({ sent, played, warnings: carrier.warnings, codes, decoded: [...DECODED] }));
