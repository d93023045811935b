/** What a check came to, as the history's `result` records it. Above 0 the caller was admitted. */
export const ruling = {
  admitted: 1,
  denied: 0,
  /** The store did not decide: the policy's onStoreFailure did. */
  admittedWithoutStore: 2,
  /** The store did not decide, or its decision was not replicated in time: the units may have been taken. */
  deniedWithoutStore: -1,
} as const;
