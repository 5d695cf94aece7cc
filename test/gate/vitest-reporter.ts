// Owns: the translation of Vitest's events into result lines.
// Counts what a test count alone would hide: a file that does not load, a hook that throws, an error outside of tests,
// and tests that never ran.
import type { Reporter, TestCase, TestModule, TestSuite } from "vitest/node";
import { type ResultLine, writeResult } from "./result-lines.ts";

const nameOf = (entity: TestCase | TestSuite): string =>
  `[${entity.project.name}] ${entity.module.relativeModuleId} > ${entity.fullName}`;

const fileOf = (module: TestModule): string => `[${module.project.name}] ${module.relativeModuleId} (file)`;

const firstLine = (errors: ReadonlyArray<{ message?: string }> | undefined): string =>
  (errors?.[0]?.message ?? "no message").split("\n")[0] ?? "";

function failedOutsideTests(name: string, errors: ReadonlyArray<{ message?: string }>): void {
  if (errors.length > 0) writeResult({ event: "failed", name, why: firstLine(errors) });
}

function toLine(test: TestCase): ResultLine {
  const name = nameOf(test);
  const result = test.result();
  if (result.state === "passed") return { event: "passed", name };
  if (result.state === "failed") return { event: "failed", name, why: firstLine(result.errors) };
  if (result.state === "pending") return { event: "failed", name, why: "it never ran" };
  return result.note === undefined ? { event: "skipped", name } : { event: "skipped", name, why: result.note };
}

export default class ResultReporter implements Reporter {
  // A worker that blocks reports nothing of its tests, so the file is the only name that a hang may leave.
  onTestModuleQueued(module: TestModule): void {
    writeResult({ event: "ready", name: fileOf(module) });
  }

  onTestCaseReady(test: TestCase): void {
    writeResult({ event: "ready", name: nameOf(test) });
  }

  onTestCaseResult(test: TestCase): void {
    writeResult(toLine(test));
  }

  onTestSuiteResult(suite: TestSuite): void {
    failedOutsideTests(`${nameOf(suite)} (hooks)`, suite.errors());
  }

  onTestModuleEnd(module: TestModule): void {
    failedOutsideTests(fileOf(module), module.errors());
    writeResult({ event: "done", name: fileOf(module) });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: ReadonlyArray<{ message?: string }>): void {
    for (const error of unhandled) failedOutsideTests("outside of any test", [error]);
    for (const module of modules) {
      for (const test of module.children.allTests("pending")) writeResult(toLine(test));
    }
  }
}
