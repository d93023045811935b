/** What dsp remembers of its own output: `.dsp/manifest.json`, and the pristine copies that merging needs. */

import { sha256 } from '../digest.ts';
import type { Manifest, ProjectFile } from './project.ts';

export const manifestPath = '.dsp/manifest.json';
export const planPath = 'plan.json';

/** Where the pristine output of a generated file is kept. */
export function basePath(path: string): string {
  return `.dsp/base/${path}`;
}

/** The new text of a file that both sides changed. While it exists, the conflict is open. */
export function conflictPath(path: string): string {
  return `${path}.dsp-new`;
}

/** Files that only dsp writes: an edit in them means nothing, so they are replaced and never merged. */
export function isDerived(path: string): boolean {
  return path === manifestPath || path === planPath;
}

/** Whether a pristine copy is kept, so that edits can be merged. */
export function hasBase(file: Pick<ProjectFile, 'path' | 'ownership'>): boolean {
  return file.ownership === 'generated' && !isDerived(file.path);
}

/** The manifest's file for `files`, which do not hold it. */
export function manifestFile(
  versions: { readonly dspVersion: string; readonly requirementsDigest: string },
  files: readonly ProjectFile[],
): ProjectFile {
  const manifest: Manifest = {
    schemaVersion: 1,
    dspVersion: versions.dspVersion,
    requirementsDigest: versions.requirementsDigest,
    files: files.map(({ path, content, ownership }) => ({ path, sha256: sha256(content), ownership })),
  };
  return {
    path: manifestPath,
    content: `${JSON.stringify(manifest, null, 2)}\n`,
    ownership: 'generated',
    executable: false,
  };
}

/** The manifest in `text`, or null when it is none (a merge by git can leave markers in it). */
export function parseManifest(text: string): Manifest | null {
  try {
    const value = JSON.parse(text) as Partial<Manifest> | null;
    const files = value?.files;
    const readable =
      value?.schemaVersion === 1 &&
      typeof value.dspVersion === 'string' &&
      typeof value.requirementsDigest === 'string' &&
      Array.isArray(files) &&
      files.every((file) => isInnerPath(file?.path) && (file.ownership === 'generated' || file.ownership === 'yours'));
    return readable ? (value as Manifest) : null;
  } catch {
    return null;
  }
}

/** Whether `path` is relative, with `/` between plain names: nothing outside the project, nothing a shell reads. */
export function isInnerPath(path: unknown): path is string {
  return (
    typeof path === 'string' &&
    path.length <= 200 &&
    /^(?!.*(?:^|\/)\.\.?(?:\/|$))[\w.@][\w.@-]*(\/[\w.@][\w.@-]*)*$/.test(path)
  );
}
