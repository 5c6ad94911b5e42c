using System.Security.Cryptography;
using System.Text.Json;
using Gateway.Api;
using Gateway.Domain.Storage;

namespace Gateway.Security;

/// <summary>The secret that signs response ids: made once per installation and shared by every process on its store.</summary>
public static class InstallationSecret
{
    private const string Key = "response-id-secret";
    private const int Bytes = 32;

    /// <summary>Reads the secret, or makes it on the first start; of two first starts one wins and both use its secret.</summary>
    public static async Task<byte[]> ReadOrCreateAsync(IDocumentStore documents, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (await documents.GetAsync(Collections.Installation, Key, cancellationToken) is { } found)
            {
                return JsonSerializer.Deserialize(found.Json.Span, ApiJson.Default.ByteArray)!;
            }

            var json = JsonSerializer.SerializeToUtf8Bytes(RandomNumberGenerator.GetBytes(Bytes), ApiJson.Default.ByteArray);
            await documents.CommitAsync([new(Collections.Installation, Key, ExpectedVersion: 0, json)], cancellationToken);
        }
    }
}
