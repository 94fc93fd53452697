// A certified OpenID Connect server with one public client, for the tests.
//
//   node oidc-provider.mjs [seconds that an access token lives]
//
// Prints one line of JSON per fact: {"issuer": …} when it is ready, then {"granted": GRANT_TYPE} for every answered token
// request and {"refused": ERROR} for every refused one. Its own login page takes any name and password.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const accessTokenSeconds = Number(process.argv[2] ?? 60);
const say = (fact) => process.stdout.write(`${JSON.stringify(fact)}\n`);

// The issuer names the port, so the port has to be known before the server is made.
const server = createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'pilotlight',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      // RFC 8252 section 7.3: of a native client's loopback redirect any port is accepted.
      redirect_uris: ['http://127.0.0.1/callback'],
    },
  ],
  cookies: { keys: ['of no value'] },
  features: { devInteractions: { enabled: true }, revocation: { enabled: true } },
  // A refresh token for everyone who may have one, and another at each use.
  issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  pkce: { required: () => true },
  ttl: { AccessToken: accessTokenSeconds, RefreshToken: 3600, Grant: 3600, Session: 3600, Interaction: 600, IdToken: 600 },
});

provider.on('grant.success', (ctx) => say({ granted: ctx.oidc.params.grant_type }));
provider.on('grant.error', (_, error) => say({ refused: error.error }));
provider.on('server_error', (_, error) => console.error(error));

server.on('request', provider.callback());
say({ issuer });
