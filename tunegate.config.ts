import { defineConfig } from './shared/config.ts'

// biome-ignore lint/style/noDefaultExport: a configuration file has one value, its default export
export default defineConfig({
  connections: {
    // The key comes from OPENAI_API_KEY: an environment variable, or a secret of that name on the platform.
    openai: { provider: 'openai' },
  },
  defaultConnection: 'openai',
})
