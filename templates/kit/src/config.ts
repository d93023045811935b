/** Configuration from the environment: read once at start, typed, with every problem named at once. */

/** What a schema library's object schema offers (zod's does); the environment is its input. */
export interface Schema<T> {
  safeParse(input: unknown):
    | { readonly success: true; readonly data: T }
    | {
        readonly success: false;
        readonly error: {
          readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
        };
      };
}

export type Env = Readonly<Record<string, string | undefined>>;

/** Names every variable that is missing or malformed. Values are left out: they may be secrets. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`configuration: ${problems.join('; ')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** The environment as `schema` reads it; an empty variable counts as one that is not set. Throws {@link ConfigError}. */
export function readConfig<T>(schema: Schema<T>, env: Env): T {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  throw new ConfigError(result.error.issues.map((issue) => `${issue.path.map(String).join('.')}: ${issue.message}`));
}
