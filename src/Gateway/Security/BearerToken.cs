using System.Security.Cryptography;
using System.Text;

namespace Gateway.Security;

/// <summary>The shared token between the front door and its workers.</summary>
public static class BearerToken
{
    /// <summary>True when the request carries <paramref name="token"/>. Hashes are compared: they have one length, so that the time tells nobody how long the token is or where a wrong one differs.</summary>
    public static bool IsOn(HttpRequest request, string token) =>
        CryptographicOperations.FixedTimeEquals(Hash(request.Headers.Authorization.ToString()), Hash($"Bearer {token}"));

    private static byte[] Hash(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}
