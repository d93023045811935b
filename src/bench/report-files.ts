/** Writes a report's folder: whole or not at all. */

import { chmod, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Report } from './report.ts';
import { renderHtml } from './report-html.ts';
import { renderJunit } from './report-junit.ts';
import { renderSummary } from './report-summary.ts';

/** `2026-01-31T12-59-07Z`: UTC, sortable, and a name on every file system. */
export function reportFolderName(startedAt: string): string {
  return startedAt.replace(/\.\d+Z$/, 'Z').replaceAll(':', '-');
}

/**
 * Writes `report/<time>/` with index.html, report.json, junit.xml and summary.md below the project's root and points
 * `report/latest` to it. Returns the folder's absolute path. The files appear together or, on an error, not at all.
 */
export async function writeReport(root: string, report: Report): Promise<string> {
  const parent = join(root, 'report');
  await mkdir(parent, { recursive: true });
  const draft = await mkdtemp(join(parent, '.draft-'));
  try {
    await chmod(draft, 0o755);
    await writeFile(join(draft, 'index.html'), renderHtml(report));
    await writeFile(join(draft, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
    await writeFile(join(draft, 'junit.xml'), renderJunit(report));
    await writeFile(join(draft, 'summary.md'), renderSummary(report));
    const folder = await moveTo(draft, parent, reportFolderName(report.startedAt));
    await pointLatest(parent, basename(folder));
    return folder;
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

/** Two runs of one second get `-2`, `-3`, …. */
async function moveTo(draft: string, parent: string, name: string): Promise<string> {
  for (let number = 1; ; number++) {
    const folder = join(parent, number === 1 ? name : `${name}-${number}`);
    try {
      await rename(draft, folder);
      return folder;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if ((code !== 'ENOTEMPTY' && code !== 'EEXIST') || number === 100) throw error;
    }
  }
}

/** A symbolic link, or where there are none a file with the folder's name. */
async function pointLatest(parent: string, name: string): Promise<void> {
  const latest = join(parent, 'latest');
  const draft = join(parent, `.latest-${name}`);
  await rm(draft, { recursive: true, force: true });
  try {
    await symlink(name, draft);
  } catch {
    await writeFile(draft, `${name}\n`);
  }
  await rename(draft, latest);
}
