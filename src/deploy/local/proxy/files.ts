/** What the fault proxy and dsp leave for each other in the proxy's data folder. */

/** Where it listens for whom, as it starts: JSON of Route[]. */
export const routesFile = 'routes.json';
/** What a control connection must say first; readable by the user alone. */
export const tokenFile = 'token';
