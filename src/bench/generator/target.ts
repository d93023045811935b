/** Where a part's requests go, and as whom. */

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** How a client names itself; absent: as nobody, in clear. */
export interface TransportAccess {
  readonly user?: string;
  readonly password?: string;
  /** PEM of the only authority that is trusted, and the name that the servers' certificates are for. */
  readonly ca?: string;
  readonly serverName?: string;
}
