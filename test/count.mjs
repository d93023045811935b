/**
 * The last line of bin/test: `N passed, N failed, N skipped` from vitest's JSON reports; lint and type errors count as
 * one failure each. Arguments: failures before, then a report and vitest's exit code, as often as vitest ran.
 */
import { readFileSync } from 'node:fs';

const [failedBefore, ...runs] = process.argv.slice(2);
const total = { passed: 0, failed: Number(failedBefore), skipped: 0 };
for (let i = 0; i < runs.length; i += 2) {
  const { passed, failed, skipped } = counted(read(runs[i]), Number(runs[i + 1]));
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 ? 0 : 1;

function counted(report, exit) {
  const unloaded = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0);
  const failed = report.numFailedTests + unloaded.length;
  const passed = report.numPassedTests;
  const skipped = report.numPendingTests + report.numTodoTests;
  // A run that failed, or found no test, says so even when no test does.
  const least = exit !== 0 || passed + skipped === 0 ? 1 : 0;
  return { passed, failed: Math.max(failed, least), skipped };
}

function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { testResults: [], numFailedTests: 0, numPassedTests: 0, numPendingTests: 0, numTodoTests: 0 };
  }
}
