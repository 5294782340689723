// Speaks to the server. Errors carry the line that the server says; a session that is over leads to the sign-in page.

const AGAIN_MS = 3000;

let known = null;

// What the server says of this session: {token, can_sign_out}.
export function session() {
  known ??= get("/console/api/session").catch((error) => {
    known = null;
    throw error;
  });
  return known;
}

export async function get(path) {
  return answered(await fetch(path, { headers: { Accept: "application/json" } }));
}

// What is no JSON: the response, to be taken in the form that is wanted.
export async function bytes(path) {
  const response = await fetch(path);
  return response.ok ? response : answered(response);
}

// `body` becomes JSON; undefined: none. Gives what is answered, undefined for nothing.
export async function post(path, body, method = "POST") {
  const { token } = await session();
  return answered(await fetch(path, {
    method,
    headers: {
      Accept: "application/json",
      "X-Console-Token": token,
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  }));
}

// A WebSocket to a path of this server.
export async function socket(path) {
  const { token } = await session();
  const url = new URL(path, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.searchParams.set("token", token);
  return new WebSocket(url);
}

// Server-sent events: handlers by the event's name, each given its JSON. `state(true)` when connected, `state(false)` when
// not. The browser comes again by itself; where it does not (a proxy says that the server is gone, the session is over), it
// is asked for anew until it is there, or until somebody has to sign in. Gives {close()}.
export function events(path, handlers, state = () => {}) {
  let source = null;
  let soon = 0;
  let isOver = false;
  const open = () => {
    if (isOver) return;
    source = new EventSource(path);
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
    }
    source.addEventListener("open", () => state(true));
    source.addEventListener("error", () => {
      state(false);
      if (source.readyState === EventSource.CLOSED) later();
    });
  };
  const later = () => {
    if (!isOver) soon = setTimeout(() => get("/console/api/session").then(open, (error) => error.status === 401 || later()), AGAIN_MS);
  };
  open();
  return {
    close() {
      isOver = true;
      clearTimeout(soon);
      source.close();
    },
  };
}

async function answered(response) {
  if (response.ok) {
    if (response.status === 204) return undefined;
    return response.headers.get("content-type")?.startsWith("application/json") ? response.json() : response.text();
  }
  let line = `the server answers ${response.status}`;
  try {
    const { detail } = await response.json();
    if (typeof detail === "string") line = detail;
  } catch {
    // no JSON: the status says enough
  }
  if (response.status === 401) location.assign(`/console/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  if (response.status === 403) known = null;
  throw Object.assign(new Error(line), { status: response.status });
}
