/**
 * Loaded before Lambda's runtime: its native part, which is not compiled here, is the one in JavaScript.
 * @module
 */
import { registerHooks } from 'node:module'

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === './rapid-client.node'
      ? {
          url: new URL('native-part.ts', import.meta.url).href,
          format: 'module-typescript',
          shortCircuit: true,
        }
      : next(specifier, context),
})
