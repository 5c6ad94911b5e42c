using System.Security.Cryptography;
using System.Text;

namespace Gateway.Security;

/// <summary>The shared token between the front door and its workers.</summary>
public static class BearerToken
{
    /// <summary>True when the request carries <paramref name="token"/>; takes the same time wherever a wrong one differs.</summary>
    public static bool IsOn(HttpRequest request, string token) => CryptographicOperations.FixedTimeEquals(
        Encoding.UTF8.GetBytes(request.Headers.Authorization.ToString()), Encoding.UTF8.GetBytes($"Bearer {token}"));
}
