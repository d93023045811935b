/**
 * The last line of bin/test: `N passed, N failed, N skipped` from vitest's JSON report; lint and type errors count as
 * one failure each. Arguments: report, vitest's exit code, failures before it.
 */
import { readFileSync } from 'node:fs';

const [reportPath, vitestExit, failedBefore] = process.argv.slice(2);
const report = read(reportPath);
const suitesThatDidNotLoad = report.testResults.filter(
  (file) => file.status === 'failed' && file.assertionResults.length === 0,
);
let failed = report.numFailedTests + suitesThatDidNotLoad.length + Number(failedBefore);
if (failed === 0 && Number(vitestExit) !== 0) failed = 1;
if (report.numPassedTests === 0) failed = Math.max(failed, 1);
const skipped = report.numPendingTests + report.numTodoTests;
console.log(`${report.numPassedTests} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;

function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { testResults: [], numFailedTests: 0, numPassedTests: 0, numPendingTests: 0, numTodoTests: 0 };
  }
}
