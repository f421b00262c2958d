/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export declare function isRecord(value: unknown): value is Record<string, unknown>;
export type FieldType = "string" | "number" | "boolean" | "object" | "array" | "string?" | "number?" | "object?";
export type FieldTypes = {
    *   "string": string;
    "number": number;
    "boolean": boolean;
    "object": Record<string, unknown>;
    "array": unknown[];
    *   "string?": string | null;
    "number?": number | null;
    "object?": Record<string, unknown> | null;
};
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
export declare function shaped<S extends Record<string, FieldType>>(value: unknown, shape: S): { [K in keyof S]: FieldTypes[S[K]]; };
