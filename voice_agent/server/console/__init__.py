"""The console: a developer looks at calls and speaks with agents, in a browser, at `/console`.

*What is where.* `application.py` puts the parts together into one ASGI application. `guard.py` stands before all of
it: whoever is not let in by `access.py` reaches nothing but the page and the files for signing in. `pages.py` serves
the pages (`pages/*.html`, Jinja, all of them within `shell.html`) and the files (`static/`: `console.css`, one ES
module a page, and small shared ones). Every other module is one subject: its routes, and what they tell.

*Adding a page.* `pages/name.html` extends `shell.html`; one line in `pages.PAGES`; `static/name.js`, named in the
page's `script` block. There is no build step, nothing of somebody else's, nothing inline: the Content-Security-Policy
forbids scripts, styles and `style=""` that are not files of ours, and `require-trusted-types-for 'script'` makes every
`innerHTML` an exception. Elements are made by `dom.js`, whose texts are only ever `textContent`. Colours and sizes are
the custom properties at the top of `console.css`, each for light and dark; take those, make none.

*Adding data.* A module here with a function that makes an `APIRouter`, given to `application`; paths begin with
`/console/api/`. Answers are JSON by msgspec (`answers.json_of`), bodies are read by `answers.read`, a refusal is an
`HTTPException` with one line. From the browser: `api.js`: `get(path)`, `post(path, body)`, `events(path, handlers)`
(server-sent events, see `events.py`: bounded; who is slow is dropped and comes again), `socket(path)` (WebSocket).
They throw an `Error` with the server's line, and lead to the sign-in page when the session is over.

*Who gets in.* No route looks at passwords, `Origin` or tokens: `guard.py` has done that for everything below
`/console`, HTTP and WebSocket alike. A request that changes something (any method but GET and HEAD) and a WebSocket
must come from a page of ours (`Origin` and `Sec-Fetch-Site`) and show the token of its session: header
`X-Console-Token`, of a WebSocket the query's `token`; `api.js` sees to both. So whatever changes something is no GET.

Nothing here may know how a call works inside: it reads what the core reports and what recordings hold.
"""
