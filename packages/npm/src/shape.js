import { MatrixQrError } from "./errors.js";

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export function isRecord(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The types that a field may have: "string", "number?", where `?` allows `null` and a missing one.
 *
 * @typedef {"string" | "number" | "boolean" | "object" | "array" | "string?" | "number?" | "object?"} FieldType
 */

/** @typedef {{
 *   "string": string, "number": number, "boolean": boolean, "object": Record<string, unknown>, "array": unknown[],
 *   "string?": string | null, "number?": number | null, "object?": Record<string, unknown> | null,
 * }} FieldTypes */

/**
 * The fields of a message, each of its type, or an error that names the field but not its value.
 *
 * @template {Record<string, FieldType>} S
 * @param {unknown} value
 * @param {S} shape
 * @returns {{ [K in keyof S]: FieldTypes[S[K]] }}
 */
export function shaped(value, shape) {
  const fields = isRecord(value) ? value : {};
  /** @type {Record<string, unknown>} */
  const found = {};
  for (const [name, type] of Object.entries(shape)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    const absent = field === undefined || field === null;
    if (!(absent ? type.endsWith("?") : typeName(field) === type.replace("?", ""))) {
      throw new MatrixQrError(`the helper's message has no usable \`${name}\``, {
        advice: "Check that `program` is a `matrix-qr` whose version fits this package.",
      });
    }
    found[name] = absent ? null : field;
  }
  return /** @type {{ [K in keyof S]: FieldTypes[S[K]] }} */ (found);
}

/** @param {unknown} value */
function typeName(value) {
  return Array.isArray(value) ? "array" : typeof value;
}
