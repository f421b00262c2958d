// The schema of the conversation, docs/helper.schema.json, for each direction.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { Ajv2020 } from "ajv/dist/2020.js";

const docs = new URL("../../../docs/", import.meta.url);
const ajv = new Ajv2020({ strict: false, formats: { uri: true } });
for (const name of ["json-events.schema.json", "helper.schema.json"]) {
  ajv.addSchema(JSON.parse(readFileSync(new URL(name, docs), "utf8")), name);
}
const directions = {
  ">": ajv.compile({ $ref: "helper.schema.json#/$defs/to_helper" }),
  "<": ajv.compile({ $ref: "helper.schema.json#/$defs/from_helper" }),
};

/** The shape of a result has the name of its request. */
const results = new Map();
function resultOf(method) {
  if (!results.has(method)) results.set(method, ajv.compile({ $ref: `helper.schema.json#/$defs/result_of_${method}` }));
  return results.get(method);
}

/**
 * Checks lines that begin with `>` (to the helper) or `<` (from it): of any number of conversations,
 * each of which begins with `initialize`.
 *
 * @param {string} text
 * @returns {{ to: boolean, message: any }[]}
 */
export function checkLines(text) {
  const lines = text.split("\n").filter(Boolean);
  assert.ok(lines.length > 0, "nothing was said");
  let open = {};
  return lines.map((line) => {
    const [from, message] = [line[0], JSON.parse(line.slice(1))];
    if (message.method === "initialize") open = { ">": new Map(), "<": new Map() };
    const fits = (check, value) => assert.ok(check(value), `${line}\n${ajv.errorsText(check.errors)}`);
    fits(directions[from], message);
    if (message.method && "id" in message) open[from].set(message.id, message.method);
    const asked = open[from === ">" ? "<" : ">"];
    if (message.result !== undefined) fits(resultOf(asked.get(message.id)), message.result);
    return { to: from === ">", message };
  });
}
