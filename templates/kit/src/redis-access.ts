/** How a client names itself to the store's servers, and how it knows that they are the right ones. */

import * as z from 'zod';
import { type Env, readConfig } from './config.ts';

export interface RedisAccess {
  /** Absent: as nobody, which a server with users lets do next to nothing. */
  readonly user?: { readonly name: string; readonly password: string };
  /** Absent: in clear. */
  readonly tls?: {
    /** PEM of the only authority that is trusted. */
    readonly ca: string;
    /** What the servers' certificates are for, whatever their addresses. */
    readonly serverName: string;
  };
}

const schema = z
  .object({
    KV_USER: z.string().optional(),
    KV_PASSWORD: z.string().optional(),
    KV_TLS_CA: z
      .string()
      .refine((text) => text.includes('-----BEGIN CERTIFICATE-----'), 'is no certificate in PEM')
      .optional(),
    KV_TLS_SERVER_NAME: z.string().optional(),
  })
  .refine((env) => (env.KV_USER === undefined) === (env.KV_PASSWORD === undefined), {
    path: ['KV_PASSWORD'],
    message: 'and KV_USER need each other',
  })
  .refine((env) => (env.KV_TLS_CA === undefined) === (env.KV_TLS_SERVER_NAME === undefined), {
    path: ['KV_TLS_SERVER_NAME'],
    message: 'and KV_TLS_CA need each other',
  });

/** From KV_USER, KV_PASSWORD, KV_TLS_CA (the certificate itself) and KV_TLS_SERVER_NAME. Throws ConfigError. */
export function redisAccessFromEnv(env: Env): RedisAccess {
  const config = readConfig(schema, env);
  const { KV_USER: name, KV_PASSWORD: password, KV_TLS_CA: ca, KV_TLS_SERVER_NAME: serverName } = config;
  return {
    ...(name !== undefined && password !== undefined ? { user: { name, password } } : {}),
    ...(ca !== undefined && serverName !== undefined ? { tls: { ca, serverName } } : {}),
  };
}
