using System.Net;
using StackExchange.Redis;

namespace Gateway.Storage.Redis;

/// <summary>
/// The connection: sends a command until it is answered or <see cref="RedisStoreOptions.RetryFor"/> is over. After a lost
/// connection nobody knows whether a command ran, so everything sent through here must be harmless when it runs twice.
/// </summary>
internal sealed class RedisConnection(ConnectionMultiplexer multiplexer, RedisStoreOptions options, TimeProvider clock, ILogger logger)
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>Replies of a server that will soon answer properly: starting, failing over, or running another's long script.</summary>
    private static readonly string[] Passing = ["LOADING", "MASTERDOWN", "READONLY", "TRYAGAIN", "CLUSTERDOWN", "BUSY"];

    /// <summary>The database, for commands that are not to be tried again.</summary>
    public IDatabase Database => multiplexer.GetDatabase();

    /// <summary>Runs a script.</summary>
    public Task<RedisResult> EvaluateAsync(string script, RedisKey[] keys, RedisValue[] values, CancellationToken cancellationToken) =>
        EvaluateAsync(script, keys, values, options.RetryFor, cancellationToken);

    /// <summary>Runs a script and goes on trying for so long.</summary>
    public Task<RedisResult> EvaluateAsync(string script, RedisKey[] keys, RedisValue[] values, TimeSpan retryFor, CancellationToken cancellationToken) =>
        SendAsync(database => database.ScriptEvaluateAsync(script, keys, values, CommandFlags.NoScriptCache), retryFor, cancellationToken);

    /// <summary>Runs any command.</summary>
    /// <exception cref="StoreUnavailableException">No good answer in time, or the server refuses writes (disk full, out of memory).</exception>
    public Task<T> SendAsync<T>(Func<IDatabase, Task<T>> command, CancellationToken cancellationToken) =>
        SendAsync(command, options.RetryFor, cancellationToken);

    /// <summary>Host and port, never the password.</summary>
    public static string Endpoints(IEnumerable<EndPoint> endpoints) =>
        string.Join(", ", endpoints.Select(endpoint => endpoint is DnsEndPoint name ? $"{name.Host}:{name.Port}" : endpoint.ToString()));

    private async Task<T> SendAsync<T>(Func<IDatabase, Task<T>> command, TimeSpan retryFor, CancellationToken cancellationToken)
    {
        var started = clock.GetTimestamp();
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var reply = await command(multiplexer.GetDatabase())
                    .WaitAsync(options.CommandTimeout, clock, cancellationToken).ConfigureAwait(false);

                // The client library runs continuations on the thread that reads replies: leave it free.
                await Task.Yield();
                return reply;
            }
            catch (Exception exception) when (IsPassing(exception))
            {
                if (clock.GetElapsedTime(started) >= retryFor)
                {
                    throw new StoreUnavailableException(
                        $"Redis at {Endpoints(multiplexer.GetEndPoints())} has not answered for {retryFor.TotalSeconds:0} s: check that it runs and can be reached", exception);
                }

                if (attempt == 1)
                {
                    logger.LogWarning("Redis at {Endpoints} does not answer ({Failure}); trying again.", Endpoints(multiplexer.GetEndPoints()), exception.Message);
                }
            }
            catch (RedisServerException exception)
            {
                throw new StoreUnavailableException(
                    $"Redis at {Endpoints(multiplexer.GetEndPoints())} refuses the command ({exception.Message}): repair the server, then try again", exception);
            }

            await Task.Delay(RetryInterval, clock, cancellationToken).ConfigureAwait(false);
        }
    }

    private static bool IsPassing(Exception exception) => exception switch
    {
        RedisServerException server => Passing.Any(prefix => server.Message.StartsWith(prefix, StringComparison.Ordinal)),
        RedisConnectionException or TimeoutException => true,
        _ => false,
    };
}
