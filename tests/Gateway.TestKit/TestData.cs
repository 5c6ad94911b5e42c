using Xunit;

namespace Gateway.TestKit;

/// <summary>Finds test data that lives outside the repository, through the environment variable GATEWAY_TEST_DATA.</summary>
public static class TestData
{
    /// <summary>True when every optional dependency must be present (CI), so that nothing is skipped silently.</summary>
    public static bool RequireAll { get; } = Environment.GetEnvironmentVariable("GATEWAY_TEST_REQUIRE_ALL") == "1";

    /// <summary>
    /// The full path of <paramref name="relative"/> below GATEWAY_TEST_DATA. Skips the calling test when the variable is
    /// unset, fails it when <see cref="RequireAll"/> is set or the file is missing from a folder that is named.
    /// </summary>
    public static string Require(string relative)
    {
        var root = Environment.GetEnvironmentVariable("GATEWAY_TEST_DATA");
        if (string.IsNullOrEmpty(root))
        {
            if (RequireAll)
            {
                Assert.Fail("GATEWAY_TEST_DATA is not set although GATEWAY_TEST_REQUIRE_ALL=1; point it at the test data folder.");
            }

            Assert.Skip($"needs '{relative}': set GATEWAY_TEST_DATA to the test data folder.");
        }

        var path = Path.Combine(root, relative);
        Assert.True(Path.Exists(path), $"'{relative}' is missing below GATEWAY_TEST_DATA.");
        return path;
    }

    /// <summary>A new empty folder that is removed on dispose.</summary>
    public static TemporaryFolder CreateFolder() => new();
}

/// <summary>A folder below the system's temporary folder that lives as long as this object.</summary>
public sealed class TemporaryFolder : IDisposable
{
    /// <summary>The folder's full path.</summary>
    public string Path { get; } = Directory.CreateTempSubdirectory("gateway-test-").FullName;

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Path, recursive: true);
}
