/** The Project: the folder that the user owns, as data. */

/** `generated` files are replaced or merged on re-render; `yours` are written once and never touched again. */
export type Ownership = 'generated' | 'yours';

export interface ProjectFile {
  /** Relative to the root, `/` as separator, no `..`. */
  readonly path: string;
  readonly content: string;
  readonly ownership: Ownership;
  readonly executable: boolean;
}

export interface Project {
  readonly name: string;
  /** Sorted by path, unique. */
  readonly files: readonly ProjectFile[];
}

/** `.dsp/manifest.json`, sorted by path. */
export interface Manifest {
  readonly schemaVersion: 1;
  readonly dspVersion: string;
  readonly requirementsDigest: string;
  readonly files: readonly { readonly path: string; readonly sha256: string; readonly ownership: Ownership }[];
}

/** What writing a project did, paths sorted. */
export interface WriteResult {
  readonly added: readonly string[];
  readonly replaced: readonly string[];
  readonly merged: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: readonly string[];
  /** Edited by the user and by dsp in the same place: the file is left as it is, the new text is in `<path>.dsp-new`. */
  readonly conflicts: readonly string[];
  /** Owned by the user, left alone. */
  readonly kept: readonly string[];
}
