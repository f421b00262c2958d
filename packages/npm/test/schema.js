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

/**
 * Checks lines that begin with `>` (to the helper) or `<` (from it).
 *
 * @param {string} text
 * @returns {{ to: boolean, message: any }[]}
 */
export function checkLines(text) {
  const lines = text.split("\n").filter(Boolean);
  assert.ok(lines.length > 0, "nothing was said");
  return lines.map((line) => {
    const check = directions[line[0]];
    const message = JSON.parse(line.slice(1));
    assert.ok(check(message), `${line}\n${ajv.errorsText(check.errors)}`);
    return { to: line[0] === ">", message };
  });
}
