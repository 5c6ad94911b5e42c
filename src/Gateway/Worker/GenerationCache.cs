using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Model.Lora;
using Gateway.Model.Weights;

namespace Gateway.Worker;

/// <summary>The folder of a generation on this machine, or why there is none; exactly one is set.</summary>
internal readonly record struct CachedGeneration(string? Folder, ApiError? Error);

/// <summary>
/// Adapter generations that this worker fetched from the gateway by hash, one folder each. What is fetched is read and hashed
/// before it gets its name, so a folder that has the name of a generation holds it. Thread-safe; one fetch at a time.
/// </summary>
/// <param name="folder">Where they are kept; made when missing. Everything in it may be deleted while the worker is stopped.</param>
/// <param name="sources">The gateways to ask, in order.</param>
/// <param name="token">The bearer token that the gateways ask for, or null.</param>
/// <param name="config">The base model that adapters must fit.</param>
/// <param name="fingerprint">Its fingerprint.</param>
/// <param name="clock">Stamps uses.</param>
internal sealed class GenerationCache(string folder, IReadOnlyList<Uri> sources, string? token, ModelConfig config, string fingerprint, TimeProvider clock) : IDisposable
{
    private const int KeptGenerations = 256;
    private const long MaximumListBytes = 64 << 10;
    private static readonly TimeSpan FetchTimeout = TimeSpan.FromMinutes(10);
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false, AllowAutoRedirect = false })
    {
        Timeout = FetchTimeout,
    };

    private readonly SemaphoreSlim _fetching = new(1);

    /// <summary>The folder of <paramref name="generation"/>, fetched if it is not here yet.</summary>
    public async Task<CachedGeneration> GetAsync(string generation, CancellationToken cancellationToken)
    {
        var target = Path.Combine(folder, generation);
        await _fetching.WaitAsync(cancellationToken);
        try
        {
            if (Directory.Exists(target))
            {
                Directory.SetLastWriteTimeUtc(target, clock.GetUtcNow().UtcDateTime);
                return new(target, null);
            }

            return sources.Count == 0
                ? new(null, ApiError.AdapterFetchFailed("it does not see the adapter's folder and knows no gateway. Start it with --gateway http://HOST:PORT."))
                : await FetchAsync(generation, target, cancellationToken);
        }
        finally
        {
            _fetching.Release();
        }
    }

    /// <summary>Drops a generation that turned out not to be what its name says, so that it is fetched again.</summary>
    public void Forget(string generation)
    {
        if (Directory.Exists(Path.Combine(folder, generation)))
        {
            Directory.Delete(Path.Combine(folder, generation), recursive: true);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _client.Dispose();
        _fetching.Dispose();
    }

    private async Task<CachedGeneration> FetchAsync(string generation, string target, CancellationToken cancellationToken)
    {
        var error = ApiError.AdapterFetchFailed("no gateway has it.");
        foreach (var source in sources)
        {
            var temporary = Path.Combine(folder, $".{Guid.NewGuid():N}");
            try
            {
                Directory.CreateDirectory(temporary);
                await DownloadAsync(new Uri(source, $"/v1/adapters/{generation}/files"), temporary, cancellationToken);
                using (var tensors = PeftFile.Read(temporary, config, new AdapterLimits(), fingerprint))
                {
                    if (tensors.ComputeGeneration() != generation)
                    {
                        error = ApiError.AdapterFetchFailed("what the gateway sent has another hash. Import the adapter again.");
                        continue;
                    }
                }

                Directory.Move(temporary, target);
                DropOldest(target);
                return new(target, null);
            }
            catch (InvalidAdapterException)
            {
                error = ApiError.AdapterFetchFailed("what the gateway sent is no adapter for this base model. Check that both serve the same one.");
            }
            catch (Exception failure) when (failure is HttpRequestException { StatusCode: HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden })
            {
                error = ApiError.AdapterFetchFailed("the gateway does not accept this worker's token. Give both the same --worker-token and --token.");
            }
            catch (Exception failure) when (failure is HttpRequestException or IOException or JsonException or InvalidDataException
                || (failure is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                error = ApiError.AdapterFetchFailed("the gateway could not be reached or broke off. Check the worker's --gateway.");
            }
            finally
            {
                if (Directory.Exists(temporary))
                {
                    Directory.Delete(temporary, recursive: true);
                }
            }
        }

        return new(null, error);
    }

    private async Task DownloadAsync(Uri files, string temporary, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(files, cancellationToken);
        await response.Content.LoadIntoBufferAsync(MaximumListBytes, cancellationToken);
        using var list = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(cancellationToken));
        foreach (var file in list.RootElement.GetProperty("data").EnumerateArray())
        {
            var (name, bytes) = (file.GetProperty("name").GetString()!, file.GetProperty("bytes").GetInt64());
            if (name != Path.GetFileName(name) || bytes > new AdapterLimits().MaximumBytes)
            {
                throw new InvalidDataException("The gateway lists a file that no adapter has.");
            }

            using var content = await SendAsync(new Uri($"{files}/{name}"), cancellationToken);
            await using var to = new FileStream(Path.Combine(temporary, name), FileMode.CreateNew, FileAccess.Write);
            await (await content.Content.ReadAsStreamAsync(cancellationToken)).CopyToAsync(to, cancellationToken);
            to.Flush(flushToDisk: true);
            if (to.Length != bytes)
            {
                throw new InvalidDataException("The gateway broke off a file.");
            }
        }
    }

    private async Task<HttpResponseMessage> SendAsync(Uri uri, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, uri);
        request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        try
        {
            return response.EnsureSuccessStatusCode();
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }

    // Adapters in memory are read again from here when they had to leave it, so the ones asked for last stay.
    private void DropOldest(string newest)
    {
        foreach (var old in Directory.EnumerateDirectories(folder).Where(known => known != newest)
            .OrderByDescending(Directory.GetLastWriteTimeUtc).Skip(KeptGenerations - 1))
        {
            Directory.Delete(old, recursive: true);
        }
    }
}
