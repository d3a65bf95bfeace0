/**
 * What is used of google-auth-library. Of all its modules these two alone: the whole would be a sixth of what a Worker has to read
 * at each start. A module of our own, since bundlers that make a piece of a CommonJS one leave it without its names.
 * @module
 */
export { AwsClient } from 'google-auth-library/build/src/auth/awsclient.js'
export { IdentityPoolClient } from 'google-auth-library/build/src/auth/identitypoolclient.js'
