// What the schema of agents' files says of the key at the cursor. Pure. It need not understand YAML, only where a key is.

const KEY = /^(?<before>(?: |- )*)(?<key>[A-Za-z_][\w.-]*):(?<rest>.*)$/;

/** Give the keys that lead to a place in the text, the outermost first; lists have none. */
export function keyPath(text, offset) {
  const before = text.slice(0, offset).split("\n");
  const at = before.at(-1).length;
  const lines = text.split("\n").slice(0, before.length);
  const line = lines.at(-1);
  const found = KEY.exec(line);
  let indent = found ? found.groups.before.length : line.search(/\S|$/);
  const path = [];
  if (found) {
    const value = found.groups.before.length + found.groups.key.length + 1;
    path.push(found.groups.key, ...flowKeys(line.slice(value), at - value));
  } else if (!line.trim()) {
    // An empty line belongs to whatever its cursor is indented below.
    indent = at;
  }
  for (let index = lines.length - 2; index >= 0 && indent > 0; index -= 1) {
    const above = KEY.exec(lines[index]);
    if (above && above.groups.before.length < indent) {
      path.unshift(above.groups.key);
      indent = above.groups.before.length;
    }
  }
  return path;
}

/** The keys that are open at `at` in a value like `{type: server_vad, threshold: 0.5}`. */
function flowKeys(value, at) {
  const open = [];
  for (const { 0: token, index } of value.matchAll(/[{[\]},]|"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z_][\w.-]*(?=:)/g)) {
    if (index >= at) break;
    if (token === "{" || token === "[") open.push("");
    else if (token === "}" || token === "]") open.pop();
    else if (token !== "," && open.length && !/^["']/.test(token)) open[open.length - 1] = token;
  }
  return open.filter(Boolean);
}

/** Every schema that one may stand for: itself, its alternatives, the entries of its list. */
function forms(schema) {
  return [schema, ...[...(schema.anyOf ?? []), ...(schema.items ? [schema.items] : [])].flatMap(forms)];
}

function step(schemas, key) {
  return schemas.flatMap(forms).flatMap((schema) => (schema.properties?.[key] ? [schema.properties[key]] : []));
}

/**
 * Say what is known of a place: of as much of the path as the schema knows. {path, description, facts: [[name, text]],
 * keys: [[key, description]]}.
 */
export function help(schema, path) {
  let found = [schema];
  let known = 0;
  while (known < path.length) {
    const next = step(found, path[known]);
    if (!next.length) break;
    found = next;
    known += 1;
  }
  const all = found.flatMap(forms);
  const keys = new Map();
  for (const each of all) {
    for (const [key, { description = "" }] of Object.entries(each.properties ?? {})) keys.set(key, description);
  }
  return {
    path: path.slice(0, known),
    description: known ? (found.find((each) => each.description)?.description ?? "") : (schema.title ?? ""),
    facts: facts(all),
    keys: [...keys],
  };
}

function facts(schemas) {
  const words = schemas.flatMap((each) => each.enum ?? (each.const === undefined ? [] : [each.const]));
  const told = [];
  if (words.length) told.push(["one of", [...new Set(words)].join(", ")]);
  for (const { minimum, maximum } of schemas) {
    if (minimum !== undefined && maximum !== undefined) told.push(["from", `${minimum} to ${maximum}`]);
  }
  const usual = schemas.find((each) => each.default !== undefined);
  if (usual) told.push(["unless set", String(usual.default)]);
  const examples = schemas.flatMap((each) => each.examples ?? []);
  if (examples.length) told.push(["for example", examples.slice(0, 10).map(asText).join(", ")]);
  return told;
}

function asText(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
