/**
 * Templates that are code already, by the SHA-256 of their source: a template that was changed since is compiled anew.
 * Empty here; the bundled command has all that ship.
 */

export const precompiled: Readonly<Record<string, TemplateSpecification>> = {};
