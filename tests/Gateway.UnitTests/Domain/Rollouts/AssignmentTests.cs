using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using Gateway.Domain.Interactions;
using Gateway.Domain.Rollouts;
using Xunit;

namespace Gateway.UnitTests.Domain.Rollouts;

public class AssignmentTests
{
    private static readonly double[] Ramp = [.01, .05, .10, .25, .50];

    [Fact]
    public void Fraction_IsTheHashOverTwoToThe64()
    {
        var digest = SHA256.HashData(Encoding.UTF8.GetBytes("salt\0ro_1\0user-7"));
        var expected = (double)new BigInteger(digest.AsSpan(0, 8), isUnsigned: true, isBigEndian: true) / Math.Pow(2, 64);
        Assert.Equal(expected, Assignment.Fraction("salt", "ro_1", "user-7"), 1e-15);
    }

    [Fact]
    public void ArmOf_Ramp_NeverMovesAUnitBetweenCandidateAndControl()
    {
        for (var unit = 0; unit < 5000; unit++)
        {
            var u = Assignment.Fraction("s", "r", $"unit {unit}");
            var arms = Ramp.Select(f => Assignment.ArmOf(u, f)).ToArray();
            Assert.True(arms.SkipWhile(a => a == Arm.Stable).Distinct().Count() == 1, "once in an arm, always in it");
            Assert.NotEqual(Arm.Stable, arms[^1]);
        }
    }

    [Fact]
    public void ArmOf_NoShare_IsStable()
    {
        Assert.Equal(Arm.Stable, Assignment.ArmOf(0, 0));
        Assert.Equal(Arm.Stable, Assignment.ArmOf(Math.BitDecrement(1.0), 0));
        Assert.Equal(Arm.Control, Assignment.ArmOf(Math.BitDecrement(1.0), .01));
    }

    [Fact]
    public void Fraction_OverManyUnits_IsUniform()
    {
        const int units = 1_000_000, bins = 100;
        var counts = new int[bins];
        Parallel.For(0, units, unit => Interlocked.Increment(ref counts[(int)(Assignment.Fraction("salt", "ro_2", $"c{unit}") * bins)]));
        var chiSquare = counts.Sum(c => Math.Pow(c - (units / bins), 2) / (units / bins));

        // 99 degrees of freedom: 0.9999 quantile is 161.
        Assert.InRange(chiSquare, 55, 161);
    }

    [Fact]
    public void Fraction_NewSalt_IsIndependent()
    {
        var both = Enumerable.Range(0, 20_000).Count(i =>
            Assignment.Fraction("a", "r", $"{i}") < .1 && Assignment.Fraction("b", "r", $"{i}") < .1);
        Assert.InRange(both, 150, 250);
    }
}
