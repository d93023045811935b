/** What dsp and the fault proxy say to each other: lines of JSON over a TCP connection on 127.0.0.1. Types only. */

import type { NetworkRule } from '../../deployment.ts';

/** A port that stands before an instance's own. */
export interface Route {
  readonly instance: string;
  readonly set: string;
  /** Where others connect to. */
  readonly listen: number;
  /** The instance's own port. */
  readonly target: number;
}

/** Whom a rule is about. */
export interface Disturbance {
  readonly instance: string;
  readonly set: string;
  readonly rule: NetworkRule;
}

/** The first line is a token, then requests. A disturbance lasts as long as the connection that asked for it. */
export type ProxyRequest =
  | { readonly kind: 'routes'; readonly routes: readonly Route[] }
  | { readonly kind: 'disturb'; readonly disturbance: Disturbance }
  /** Ends the connection's disturbance. */
  | { readonly kind: 'lift' };

/** What a disturbance has done so far. */
export interface Counters {
  /** Connections that it took hold of. */
  readonly connections: number;
  readonly resets: number;
  readonly delayedBytes: number;
  /** Bytes that waited for the end of a partition. */
  readonly heldBytes: number;
  /** Bytes that a half-open connection swallowed. */
  readonly swallowedBytes: number;
}

export type ProxyReply =
  | { readonly ok: true; readonly counters: Counters }
  | { readonly ok: false; readonly problem: string };
