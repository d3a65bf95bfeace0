/** Rank tables as OpenAI publishes them, in text modules. */
declare module '*.tiktoken' {
  const table: string
  // biome-ignore lint/style/noDefaultExport: a text module is its default export
  export default table
}
