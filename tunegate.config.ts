import { defineConfig } from './shared/config.ts'

// biome-ignore lint/style/noDefaultExport: a configuration file has one value, its default export
export default defineConfig({
  // One account each; what a connection leaves out comes from the environment or the platform's secrets, and one without
  // credentials is only an error when it is used. docs/configuration.md lists the fields and names.
  connections: {
    openai: { provider: 'openai' },
    azure: { provider: 'azure' },
    vertex_ai: { provider: 'vertex_ai' },
    bedrock: { provider: 'bedrock' },
    openai_compatible: { provider: 'openai_compatible' },
  },
  defaultConnection: 'openai',
})
