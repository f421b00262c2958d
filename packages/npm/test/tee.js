#!/usr/bin/env node
// The program MATRIX_QR_PROGRAM, with each line of the conversation copied to the file MATRIX_QR_LINES.
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";

const child = spawn(process.env.MATRIX_QR_PROGRAM, process.argv.slice(2), { stdio: ["pipe", "pipe", "inherit"] });

/** A line is copied before it goes on, so that the file has it when the other side acts on it. */
function pass(from, to, mark) {
  createInterface({ input: from, crlfDelay: Infinity }).on("line", (line) => {
    appendFileSync(process.env.MATRIX_QR_LINES, `${mark}${line}\n`);
    to.write(`${line}\n`);
  }).on("close", () => to.end());
}

pass(process.stdin, child.stdin, ">");
pass(child.stdout, process.stdout, "<");
child.on("exit", (code) => (process.exitCode = code ?? 1));
