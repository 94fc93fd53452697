// The npm package openid-client as a client of pilotlight-server, for the tests.
//
//   node openid-client.mjs ISSUER CONFIDENTIAL_CLIENT_ID < secret and signals
//
// Prints one line of JSON per fact: {"open": URL} where a person has to open a page, after which it waits for a line on
// standard input; {"done": STEP} for every step that went as the library wants it. The first line on standard input is the
// secret of the confidential client. The library itself checks signatures, issuers, nonces, hashes and the shape of answers.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import * as client from 'openid-client';

const [issuer, confidentialId] = process.argv.slice(2);
const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const line = async () => (await input.next()).value;
const say = (fact) => process.stdout.write(`${JSON.stringify(fact)}\n`);
const done = (step) => say({ done: step });
const options = { execute: [client.allowInsecureRequests] };
const scope = 'openid profile offline_access';

const must = (holds, what) => {
  if (!holds) throw new Error(what);
};
const refused = async (promise, error) => {
  const answer = await promise.then(() => 'accepted', (reason) => reason.error ?? reason);
  must(answer === error, `${error} was expected, and it was ${answer}`);
};

// A client on a loopback redirect, as a native app has it.
const callbacks = [];
const server = createServer((request, response) => {
  response.end('Back in the app.');
  callbacks.shift()?.(new URL(request.url, redirect));
});
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const redirect = `http://127.0.0.1:${server.address().port}/callback`;

const signIn = async (config, { DPoP, pushed } = {}) => {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const expectedNonce = client.randomNonce();
  const parameters = {
    redirect_uri: redirect,
    scope,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
  };
  const url = pushed
    ? await client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP })
    : client.buildAuthorizationUrl(config, { ...parameters, ...(DPoP && { dpop_jkt: await DPoP.calculateThumbprint() }) });
  const back = new Promise((resolve) => callbacks.push(resolve));
  say({ open: url.href });
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
  const tokens = await client.authorizationCodeGrant(config, await back, checks, undefined, { DPoP });
  await line();
  return tokens;
};

const secret = await line();
const app = await client.discovery(new URL(issuer), 'pilotlight', undefined, client.None(), options);
client.enableNonRepudiationChecks(app);
done('discovery');

let tokens = await signIn(app);
must(tokens.token_type === 'bearer', tokens.token_type);
done('sign-in');
const { sub } = tokens.claims();
const { name } = await client.fetchUserInfo(app, tokens.access_token, sub);
must(name === 'demo', name);
done('userinfo');
for (let round = 0; round < 5; round += 1) {
  const next = await client.refreshTokenGrant(app, tokens.refresh_token);
  must(next.refresh_token !== tokens.refresh_token, 'it was not rotated');
  tokens = next;
}
done('refresh');
await client.tokenRevocation(app, tokens.refresh_token);
await refused(client.refreshTokenGrant(app, tokens.refresh_token), 'invalid_grant');
done('revoke');

const backend = await client.discovery(new URL(issuer), confidentialId, undefined, client.ClientSecretBasic(secret), options);
tokens = await signIn(backend, { pushed: true });
done('pushed request');
let described = await client.tokenIntrospection(backend, tokens.access_token);
must(described.active && described.sub === sub, JSON.stringify(described));
described = await client.tokenIntrospection(backend, tokens.refresh_token);
must(described.active, JSON.stringify(described));
await client.tokenRevocation(backend, tokens.access_token);
described = await client.tokenIntrospection(backend, tokens.access_token);
must(!described.active, JSON.stringify(described));
done('introspect');
const own = await client.clientCredentialsGrant(backend, { scope: 'reports' });
must(own.refresh_token === undefined && own.scope === 'reports', JSON.stringify(own));
done('client credentials');

for (const alg of ['ES256', 'Ed25519', 'RS256']) {
  const handle = async () => client.getDPoPHandle(app, await client.randomDPoPKeyPair(alg));
  const [DPoP, thief] = [await handle(), await handle()];
  let bound = await signIn(app, { DPoP, pushed: alg === 'Ed25519' });
  must(bound.token_type === 'dpop', bound.token_type);
  await client.fetchUserInfo(app, bound.access_token, sub, { DPoP });
  described = await client.tokenIntrospection(backend, bound.access_token);
  must(described.cnf?.jkt === (await DPoP.calculateThumbprint()), JSON.stringify(described));
  await refused(client.refreshTokenGrant(app, bound.refresh_token), 'invalid_dpop_proof');
  await refused(client.refreshTokenGrant(app, bound.refresh_token, undefined, { DPoP: thief }), 'invalid_dpop_proof');
  for (let round = 0; round < 3; round += 1) {
    bound = await client.refreshTokenGrant(app, bound.refresh_token, undefined, { DPoP });
    must(bound.token_type === 'dpop', bound.token_type);
  }
  done(`DPoP ${alg}`);
}

const device = async (DPoP) => {
  const begun = await client.initiateDeviceAuthorization(app, { scope });
  say({ open: begun.verification_uri_complete });
  await line();
  // The person has answered already.
  return client.pollDeviceAuthorizationGrant(app, { ...begun, interval: 0 }, undefined, { DPoP });
};
must((await device()).claims().sub === sub, 'somebody else signed in');
const DPoP = client.getDPoPHandle(app, await client.randomDPoPKeyPair());
const onDevice = await device(DPoP);
must(onDevice.token_type === 'dpop', onDevice.token_type);
await client.refreshTokenGrant(app, onDevice.refresh_token, undefined, { DPoP });
done('device');
// Whoever reads may be slower than we are.
await line();
process.exit(0);
