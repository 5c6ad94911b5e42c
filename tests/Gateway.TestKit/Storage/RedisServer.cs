using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Gateway.TestKit.Storage;

/// <summary>
/// A real redis-server on a free port and a temporary folder, with the append-only file synced before every reply. Tests
/// that need it are skipped where the program is not installed, unless GATEWAY_TEST_REQUIRE_ALL=1.
/// </summary>
public sealed class RedisServer : IDisposable
{
    private readonly TemporaryFolder folder = TestData.CreateFolder();
    private readonly SemaphoreSlim turn = new(1);
    private readonly int port = FindFreePort();
    private Process? process;

    /// <summary>The address, as a client's configuration.</summary>
    public string Address => $"127.0.0.1:{port}";

    /// <summary>Starts the server unless it runs, and waits until it answers.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await turn.WaitAsync(cancellationToken);
        try
        {
            process ??= Process.Start(new ProcessStartInfo(Require())
            {
                ArgumentList =
                {
                    "--port", $"{port}", "--bind", "127.0.0.1", "--dir", folder.Path, "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--logfile", "redis.log",
                },
            });
            while (!await AnswersAsync(cancellationToken))
            {
                Assert.False(process!.HasExited, "redis-server ended at once; see redis.log in its folder.");
                await Task.Delay(20, cancellationToken);
            }
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Kills the server without warning (SIGKILL).</summary>
    public void Kill()
    {
        process?.Kill();
        process?.WaitForExit();
        process?.Dispose();
        process = null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Kill();
        turn.Dispose();
        folder.Dispose();
    }

    private static string Require()
    {
        var found = (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator)
            .Select(directory => Path.Combine(directory, "redis-server"))
            .FirstOrDefault(File.Exists);
        if (found is null && TestData.RequireAll)
        {
            Assert.Fail("redis-server is not on the PATH although GATEWAY_TEST_REQUIRE_ALL=1; install it.");
        }

        if (found is null)
        {
            Assert.Skip("needs redis-server on the PATH.");
        }

        return found;
    }

    private static int FindFreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private async Task<bool> AnswersAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
            var stream = client.GetStream();
            await stream.WriteAsync("PING\r\n"u8.ToArray(), cancellationToken);
            var reply = new byte[64];
            var read = await stream.ReadAsync(reply, cancellationToken);
            return Encoding.ASCII.GetString(reply, 0, read).StartsWith("+PONG", StringComparison.Ordinal);
        }
        catch (Exception exception) when (exception is SocketException or IOException)
        {
            return false;
        }
    }
}
