/** What `generateContent` takes and gives, as far as the gateway uses it. */

export interface Part {
  text?: string
  thought?: boolean
  thoughtSignature?: string
  inlineData?: { mimeType: string; data: string }
  fileData?: { mimeType: string; fileUri: string }
  functionCall?: { id?: string; name: string; args?: unknown }
  functionResponse?: { id?: string; name: string; response: { output: unknown } }
}

export interface Content {
  role: 'user' | 'model'
  parts: Part[]
}

/** Of an answer nothing is certain: every field is looked at before it is used. */
export interface GenerateResponse {
  candidates?: {
    index?: number
    content?: { parts?: Part[] }
    finishReason?: string
  }[]
  promptFeedback?: { blockReason?: string }
  usageMetadata?: {
    promptTokenCount?: number
    toolUsePromptTokenCount?: number
    candidatesTokenCount?: number
    thoughtsTokenCount?: number
    cachedContentTokenCount?: number
    totalTokenCount?: number
  }
  createTime?: string
  responseId?: string
}
